// SPDX-License-Identifier: Apache-2.0
//
// The words of the policy language and the form of its errors.
#include "nearest.hpp"
#include "policy.hpp"
#include "words.hpp"

#include <linux/magic.h>
#include <sys/mman.h>

namespace pagepatrol {
namespace {

template <class Enum> constexpr std::uint32_t number(Enum value) noexcept {
    return static_cast<std::uint32_t>(value);
}

constexpr Word actions[] = {
    {"pin", number(Action::pin)},
    {"activate", number(Action::activate)},
    {"deactivate", number(Action::deactivate)},
    {"stream", number(Action::stream)},
    {"prefetch", number(Action::prefetch)},
    {"evict", number(Action::evict)},
    {"unpin", number(Action::unpin)},
    {"none", number(Action::none)},
};

constexpr Word prots[] = {{"read", PROT_READ}, {"write", PROT_WRITE}, {"exec", PROT_EXEC}};

constexpr Word mappings[] = {{"shared", 1}, {"private", 0}};

constexpr Word filesystems[] = {
    {"ext4", EXT4_SUPER_MAGIC}, // the three can't be told apart
    {"ext3", EXT3_SUPER_MAGIC},
    {"ext2", EXT2_SUPER_MAGIC},
    {"xfs", XFS_SUPER_MAGIC},
    {"btrfs", BTRFS_SUPER_MAGIC},
    {"bcachefs", 0xca451a4e}, // fs/bcachefs/bcachefs_format.h: BCACHEFS_STATFS_MAGIC
    {"zfs", 0x2fc12fc1},      // OpenZFS, include/sys/fs/zfs.h: ZFS_SUPER_MAGIC
    {"f2fs", F2FS_SUPER_MAGIC},
    {"nilfs2", NILFS_SUPER_MAGIC},
    {"jfs", 0x3153464a}, // fs/jfs/jfs_superblock.h: JFS_SUPER_MAGIC, "JFS1"
    {"reiserfs", REISERFS_SUPER_MAGIC},
    {"tmpfs", TMPFS_MAGIC},
    {"ramfs", RAMFS_MAGIC},
    {"overlay", OVERLAYFS_SUPER_MAGIC},
    {"squashfs", SQUASHFS_MAGIC},
    {"erofs", EROFS_SUPER_MAGIC_V1},
    {"cramfs", CRAMFS_MAGIC},
    {"iso9660", ISOFS_SUPER_MAGIC},
    {"udf", UDF_SUPER_MAGIC},
    {"vfat", MSDOS_SUPER_MAGIC},
    {"exfat", EXFAT_SUPER_MAGIC},
    {"ntfs3", 0x7366746e}, // fs/ntfs3/super.c: s_magic, "ntfs"
    {"fuse", FUSE_SUPER_MAGIC},
    {"virtiofs", FUSE_SUPER_MAGIC}, // is FUSE over virtio
    {"nfs", NFS_SUPER_MAGIC},
    {"9p", V9FS_MAGIC},
    {"smb3", SMB2_SUPER_MAGIC},
    {"cifs", CIFS_SUPER_MAGIC},
    {"ceph", CEPH_SUPER_MAGIC},
    {"afs", AFS_FS_MAGIC},
    {"ocfs2", OCFS2_SUPER_MAGIC},
    {"gfs2", 0x01161970},   // include/uapi/linux/gfs2_ondisk.h: GFS2_MAGIC
    {"lustre", 0x0bd00bd0}, // lustre_idl.h: LL_SUPER_MAGIC
    {"ecryptfs", ECRYPTFS_SUPER_MAGIC},
    {"zonefs", ZONEFS_MAGIC},
};

constexpr Word advices[] = {
    {"normal", number(Advice::normal)},         {"random", number(Advice::random)},
    {"sequential", number(Advice::sequential)}, {"willneed", number(Advice::willneed)},
    {"dontneed", number(Advice::dontneed)},     {"cold", number(Advice::cold)},
    {"pageout", number(Advice::pageout)},
};
static_assert(std::size(advices) == nr_advices);

constexpr Word on_advices[] = {
    {"pass", number(OnAdvice::pass)},
    {"ignore", number(OnAdvice::ignore)},
    {"activate", number(OnAdvice::activate)},
    {"deactivate", number(OnAdvice::deactivate)},
    {"prefetch", number(OnAdvice::prefetch)},
    {"evict", number(OnAdvice::evict)},
    {"read-ahead-off", number(OnAdvice::read_ahead_off)},
    {"read-ahead-default", number(OnAdvice::read_ahead_default)},
};

constexpr Word read_aheads[] = {{"off", 0}, {"default", 1}};

// A file's own bytes are quoted in messages: they must not steer a terminal.
std::string printable(const std::string& text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7f)
            out += c;
        else
            out += {'\\', 'x', "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
    }
    return out;
}

} // namespace

constinit const Words action_words = actions;
constinit const Words prot_words = prots;
constinit const Words mapping_words = mappings;
constinit const Words filesystem_words = filesystems;
constinit const Words advice_words = advices;
constinit const Words on_advice_words = on_advices;
constinit const Words read_ahead_words = read_aheads;

const Word* find_word(Words words, std::string_view text) noexcept {
    for (const Word& word : words)
        if (word.text == text)
            return &word;
    return nullptr;
}

std::string list_words(Words words) {
    std::string out;
    for (const Word& word : words)
        out += (out.empty() ? "" : ", ") + std::string(word.text);
    return out;
}

std::string did_you_mean(std::string_view text, Words words) {
    std::vector<std::string_view> texts;
    for (const Word& word : words)
        texts.push_back(word.text);
    const std::string_view best = nearest(text, texts);
    return best.empty() ? std::string() : "did you mean \"" + std::string(best) + "\"?";
}

std::string word_for(Words words, std::uint32_t value) {
    for (const Word& word : words)
        if (word.value == value)
            return std::string(word.text);
    std::string digits;
    for (unsigned shift = 32; shift > 0;) {
        shift -= 4;
        digits += "0123456789abcdef"[value >> shift & 15];
    }
    return "0x" + digits;
}

std::string_view to_string(Action action) noexcept {
    for (const Word& word : actions)
        if (word.value == number(action))
            return word.text;
    return "?";
}

std::string to_string(const Error& error) {
    std::string out = error.file;
    if (error.line)
        out += ":" + std::to_string(error.line) + ":" + std::to_string(error.column);
    out += ": ";
    if (!error.key.empty())
        out += error.key + ": ";
    out += error.what + "; expected " + error.expected;
    if (!error.hint.empty())
        out += ". HINT: " + error.hint;
    return printable(out);
}

} // namespace pagepatrol
