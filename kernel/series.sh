# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# What kernel/build-kernel and kernel/check-series share: Debian's kernel source,
# unpacked once, and PagePatrol's series applied to it. Sourced after scripts/lib.sh;
# the callers set patches_dir and sources_dir. Nothing here changes the unpacked
# source: what the series touches is put together in a folder of its own.

source_package=linux-source-6.12
kernel_cc=gcc-12
# Fixed, so that the same inputs give the same kernel and ccache can help.
export KBUILD_BUILD_USER=pagepatrol KBUILD_BUILD_HOST=pagepatrol
if command -v ccache >/dev/null; then
	kernel_cc="ccache $kernel_cc"
	# From the dependencies that the build writes anyway: saves a run of the
	# preprocessor for each file that is not in the cache.
	export CCACHE_DEPEND=1
fi

# Its repositories are its own affair: neither the one of a hook that this runs in nor what
# the user has set up for his own is to come into it.
unset $(git rev-parse --local-env-vars)
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null

# --- the source ---

# The version whose kernel the VM boots as "stock", else the newest there is: only
# equal versions can be compared.
released_source() {
	local stock versions cached
	# In a command substitution, as this is run, errors do not end bash by themselves.
	stock=$("$pp_repo/scripts/fetch-kernel") || return
	stock=$(<"$stock/release") || return
	for cached in "$sources_cache/${stock%%+*}"-*/Makefile; do
		[ ! -f "$cached" ] || { basename -- "${cached%/Makefile}" && return; }
	done
	versions=$(apt-cache madison "$source_package" 2>/dev/null | awk '{ print $3 }')
	[ -n "$versions" ] || die "no package $source_package in the package sources" "this needs Debian 12 with bookworm-security in its sources"
	grep -m 1 "^${stock%%+*}-" <<<"$versions" && return
	say "there is no $source_package of the stock kernel's version, ${stock%%+*}: taking the newest"
	head -n 1 <<<"$versions"
}

unpack_source() {
	local version=$1 work tarball=/usr/src/$source_package.tar.xz
	[ ! -f "$sources_cache/$version/Makefile" ] || return 0
	# Holding the lock, so nobody works in these: left by interrupted runs.
	rm -rf "$sources_cache"/.tmp.*
	work=$(mktemp -d "$sources_cache/.tmp.XXXXXX")
	if [ ! -f "$tarball" ] || [ "$(dpkg-query -W -f='${Version}' "$source_package" 2>/dev/null)" != "$version" ]; then
		say "fetching $source_package $version (150 MB, once)"
		(cd "$work" && apt-get download -q -o APT::Sandbox::User=root "$source_package=$version") </dev/null >"$work/log" 2>&1 || {
			cat "$work/log" >&2
			die "apt-get download of $source_package failed" "check the network, or run apt-get update"
		}
		dpkg-deb --fsys-tarfile "$work"/*.deb | tar -x -C "$work" ./usr/src || die "can't unpack $source_package"
		tarball=$work/usr/src/$source_package.tar.xz
	fi
	say "unpacking $source_package $version (1.7 GB, once)"
	mkdir "$work/tree"
	tar -xf "$tarball" -C "$work/tree" --strip-components=1 || die "can't unpack $tarball" "is there room in $sources_cache?"
	mv "$work/tree" "$sources_cache/$version"
	rm -rf "$work"
}

# Sets source_version and source_tree.
need_source() {
	sources_cache=$pp_cache/kernel-source
	mkdir -p "$sources_cache" || die "can't create $sources_cache" "set PAGEPATROL_CACHE to a folder you may write to"
	source_version=$(released_source) || exit
	source_tree=$sources_cache/$source_version
	[ -f "$source_tree/Makefile" ] || with_lock "$sources_cache/.lock" unpack_source "$source_version"
	export KBUILD_BUILD_TIMESTAMP
	KBUILD_BUILD_TIMESTAMP=$(date -u -R -r "$source_tree/Makefile")
}

# --- the series ---

# existing_sources OPTION PATH: a folder for sources_dir.
existing_sources() {
	[ -f "$2/Kbuild" ] || die "$1: no folder with PagePatrol's sources: $2" "one that has a file Kbuild"
	realpath -- "$2"
}

# PagePatrol's own sources, by the name they have in the kernel's mm/pagepatrol: all but what
# Kbuild, which makes the module, has alone.
own_sources() {
	(cd "$sources_dir" && find . -maxdepth 1 -type f \( -name '*.[ch]' -o -name Makefile -o -name Kconfig \) -printf '%f\n' |
		grep -vxFf <(sed -n 's/^pagepatrol-y += //p' Kbuild | tr ' ' '\n' | sed 's/o$/c/') | sort)
}

# The steps of the series: file names and, for PagePatrol's own sources, @sources.
series_steps() {
	[ ! -f "$patches_dir/series" ] || sed 's/[[:space:]]*#.*//; /^[[:space:]]*$/d' "$patches_dir/series"
}

own_git() {
	git -C "$series_repo" -c gc.auto=0 "$@"
}

add_own_sources() {
	local file author
	mkdir -p "$series_repo/mm/pagepatrol"
	for file in $(own_sources); do cp "$sources_dir/$file" "$series_repo/mm/pagepatrol/$file"; done
	if grep -qs '#include <pagepatrol/abi.h>' "$series_repo"/mm/pagepatrol/*; then
		mkdir -p "$series_repo/include/pagepatrol"
		cp "$pp_repo/include/pagepatrol/abi.h" "$series_repo/include/pagepatrol/abi.h"
	fi
	# their place in MAINTAINERS comes with them, behind that of the header
	[ ! -f "$series_repo/MAINTAINERS" ] || sed -i 's|^F:\tinclude/linux/pagepatrol\.h$|&\nF:\tmm/pagepatrol/|' "$series_repo/MAINTAINERS"
	[ -f "$patches_dir/sources.message" ] || die "no $patches_dir/sources.message" "it is the commit message of the step @sources"
	author=$(own_git log -1 --format='%an <%ae>')
	own_git add -A >/dev/null && own_git commit -q --author "$author" --date "$(own_git log -1 --format=%aI)" -F "$patches_dir/sources.message"
}

# apply_series DIR: DIR becomes a git repository that holds the files the series
# touches, first as they are in Debian's source, then one commit per step.
apply_series() {
	local step file
	series_repo=$1
	rm -rf "$series_repo"
	mkdir -p "$series_repo"
	export GIT_AUTHOR_NAME=Debian GIT_AUTHOR_EMAIL=debian-kernel@lists.debian.org GIT_AUTHOR_DATE=$KBUILD_BUILD_TIMESTAMP
	export GIT_COMMITTER_NAME=PagePatrol GIT_COMMITTER_EMAIL=pagepatrol@localhost GIT_COMMITTER_DATE=$KBUILD_BUILD_TIMESTAMP
	git init -q --template= -b series "$series_repo" || die "can't make a repository in $series_repo"
	for file in "$patches_dir"/*.patch; do
		[ ! -f "$file" ] || series_steps | grep -xF "${file##*/}" >/dev/null || die "$file is not in $patches_dir/series" \
			"name it there, at its place; or remove it: git format-patch names a patch by its subject"
	done
	for step in $(series_steps); do
		[ "$step" != @sources ] || continue
		[ -f "$patches_dir/$step" ] || die "$patches_dir/series names $step, which does not exist"
		for file in $(own_git apply --numstat "$patches_dir/$step" | cut -f 3); do
			[ ! -f "$source_tree/$file" ] || (cd "$source_tree" && cp --parents -p "$file" "$series_repo/")
		done
	done
	own_git add -A && own_git commit -q --allow-empty -m "Linux $source_version"
	own_git tag base
	for step in $(series_steps); do
		if [ "$step" = @sources ]; then
			add_own_sources || die "the sources of $sources_dir can't be committed"
		elif ! own_git am -q "$patches_dir/$step" >"$series_repo/.git/am.log" 2>&1; then
			cat "$series_repo/.git/am.log" >&2
			die "$patches_dir/$step does not apply to $source_package $source_version" "the steps before it do; see kernel/README.md for how to change a patch"
		fi
	done
}

# What the series changes or adds, by name in the kernel's tree.
touched_files() { own_git diff --name-only --diff-filter=d base HEAD; }

# write_mails DIR: the series as it would be sent.
write_mails() {
	local cover=()
	mkdir -p "$1" || die "can't create $1"
	[ -z "$(ls -A "$1")" ] || die "$1 is not empty" "name a new folder: nothing that is there is overwritten"
	if [ -f "$patches_dir/cover" ]; then
		own_git config branch.series.description "$(<"$patches_dir/cover")"
		cover=(--cover-letter --cover-from-description=subject)
	fi
	own_git format-patch -q --no-signature --stat=72 "${cover[@]}" -o "$(realpath -- "$1")" base..series
}

# make_source DIR: the source with the series applied: links to the unpacked source,
# and copies of what the series touches. What has not changed since the last time keeps
# its time, so that make builds again only what has.
make_source() {
	local tree=$1 file wanted
	if [ "$(cat "$tree/.version" 2>/dev/null)" != "$source_version" ]; then
		rm -rf "$tree" "$tree.new"
		cp -al "$source_tree" "$tree.new" || die "can't link $source_tree to $tree"
		echo "$source_version" >"$tree.new/.version"
		mv "$tree.new" "$tree"
	fi
	# What an earlier series touched is part of it; written first, in case this is interrupted.
	{ touched_files && cat "$tree/.touched" 2>/dev/null || true; } | sort -u >"$tree/.touching"
	mv "$tree/.touching" "$tree/.touched"
	while read -r file; do
		wanted=$series_repo/$file
		[ -f "$wanted" ] || wanted=$source_tree/$file
		if [ ! -f "$wanted" ]; then
			rm -f "$tree/$file"
		elif ! cmp -s "$wanted" "$tree/$file"; then
			mkdir -p "$(dirname -- "$tree/$file")"
			# A new file, with the time of now; never written through a link.
			cp --remove-destination "$wanted" "$tree/$file"
		fi
	done <"$tree/.touched"
}

# --- configuration ---

# Option lines of a fragment, without the reasons. A line without a reason is an error.
options_of() {
	local bad
	if bad=$(grep -nE '^CONFIG_' "$1" | grep -vE '^[0-9]+:CONFIG_[A-Z0-9_]+=[^[:space:]]+[[:space:]]+# .+'); then
		die "$1: no reason is given for line ${bad%%:*}: ${bad#*:}" "CONFIG_NAME=value  # reason"
	fi
	sed -n 's/^\(CONFIG_[A-Z0-9_]*=[^[:space:]]*\)[[:space:]].*/\1/p' "$1"
}

# own_option TREE: what switches PagePatrol on in a tree that has the series.
own_option() {
	! grep -qsx 'config PAGEPATROL' "$1"/mm/Kconfig "$1"/mm/pagepatrol/Kconfig || echo CONFIG_PAGEPATROL=y
}
