// SPDX-License-Identifier: Apache-2.0
//
// make-file: writes the benchmark's files: pseudo-random bytes, printable lines
// or a graph; no holes, on disk when it ends, and complete or not there at all.
#include <fcntl.h>
#include <getopt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <vector>

#include "error.hpp"
#include "graph.hpp"
#include "random.hpp"
#include "text.hpp"

using namespace pagepatrol::bench;

namespace {

constexpr char usage[] =
    "usage: make-file SIZE PATH [--seed N] [--text]\n"
    "       make-file [SIZE] PATH --graph NODES [--sorted] [--seed N]\n"
    "  SIZE           bytes, or with a unit: K, M, G, KiB, MiB, GiB (all binary)\n"
    "  --seed N       the same seed gives the same content (default 1)\n"
    "  --text         printable lines instead of random bytes\n"
    "  --graph NODES  a graph for the pattern graph-walk; without SIZE it has 16\n"
    "                 edges per node; says where its parts lie\n"
    "  --sorted       number the nodes by degree: what walks meet most comes first, in the\n"
    "                 index and in the edges, so that a policy can name its place\n";

struct Options {
    std::string path;
    std::uint64_t size = 0; // 0: follows from nodes
    std::uint64_t seed = 1;
    std::uint64_t nodes = 0; // 0: no graph
    bool text = false;
    bool sorted = false; // the graph's nodes by degree
};

// A temporary file beside the target, renamed over it at the end.
class AtomicFile {
  public:
    explicit AtomicFile(const std::string& path) : path_(path), temp_(path + ".XXXXXX") {
        struct stat st;
        if (stat(path.c_str(), &st) == 0 && !S_ISREG(st.st_mode))
            throw Error(path + ": not a regular file; expected the path of a file to be made");
        fd_ = mkostemp(temp_.data(), O_CLOEXEC);
        if (fd_ < 0)
            throw Error::of_errno(temp_ + ": cannot create");
    }
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;
    ~AtomicFile() {
        if (fd_ < 0)
            return;
        close(fd_);
        unlink(temp_.c_str());
    }

    void write(const void* data, std::size_t bytes) {
        const char* at = static_cast<const char*>(data);
        while (bytes > 0) {
            const ssize_t n = ::write(fd_, at, bytes);
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                throw Error::of_errno(temp_ + ": cannot write");
            at += n;
            bytes -= static_cast<std::size_t>(n);
        }
    }

    void commit() {
        const mode_t mask = umask(0);
        umask(mask);
        if (fchmod(fd_, 0666 & ~mask) < 0 || fsync(fd_) < 0)
            throw Error::of_errno(temp_ + ": cannot finish");
        if (rename(temp_.c_str(), path_.c_str()) < 0)
            throw Error::of_errno(path_ + ": cannot rename to it");
        close(fd_);
        fd_ = -1;
    }

  private:
    std::string path_, temp_;
    int fd_;
};

constexpr std::size_t block_bytes = 1 << 20;

void write_random(AtomicFile& file, const Options& options) {
    Random random(options.seed);
    std::vector<std::uint64_t> block(block_bytes / 8);
    for (std::uint64_t left = options.size; left > 0;) {
        std::generate(block.begin(), block.end(), [&] { return random.next(); });
        const std::uint64_t n = std::min<std::uint64_t>(left, block_bytes);
        file.write(block.data(), n);
        left -= n;
    }
}

// Lines of 64 bytes, of 64 letters: ten per random number.
void write_text(AtomicFile& file, const Options& options) {
    static constexpr char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .";
    Random random(options.seed);
    std::vector<char> block(block_bytes);
    for (std::uint64_t left = options.size; left > 0;) {
        std::uint64_t bits = 0;
        for (std::size_t i = 0, have = 0; i < block.size(); i++, have--, bits >>= 6) {
            if (have == 0) {
                bits = random.next();
                have = 10;
            }
            block[i] = i % 64 == 63 ? '\n' : letters[bits % 64];
        }
        const std::uint64_t n = std::min<std::uint64_t>(left, block_bytes);
        if (n == left) // the last line ends, too
            block[n - 1] = '\n';
        file.write(block.data(), n);
        left -= n;
    }
}

std::uint64_t aligned(std::uint64_t bytes) {
    return (bytes + graph_alignment - 1) / graph_alignment * graph_alignment;
}

void pad(AtomicFile& file, std::uint64_t written) {
    const std::vector<char> zeros(aligned(written) - written);
    file.write(zeros.data(), zeros.size());
}

// Degrees fall off as rank^-0.6, targets are Zipf-distributed: some nodes are met again and
// again, as in a social graph. Ranks are scattered over the nodes, or are their numbers.
void write_graph(AtomicFile& file, const Options& options) {
    const std::uint64_t n = options.nodes;
    GraphHeader header{graph_magic, n, 0, graph_alignment, 0};
    header.edges_offset = header.index_offset + aligned((n + 1) * 8);
    if (options.size > 0 && options.size < header.edges_offset + 4 * n)
        throw Error("a graph of " + std::to_string(n) + " nodes needs at least " +
                    std::to_string(header.edges_offset + 4 * n) + " bytes");
    header.edges = options.size ? (options.size - header.edges_offset) / 4 : 16 * n;

    Random random(options.seed);
    std::vector<double> weight(n);
    double sum = 0;
    for (std::uint64_t i = 0; i < n; i++) {
        const std::uint64_t rank = options.sorted ? i : random.below(n);
        weight[i] = std::pow(static_cast<double>(rank + 1), -0.6);
        sum += weight[i];
    }
    // one edge for each node, the rest by weight; rounding of the running sum
    // gives exactly header.edges in the end
    std::vector<std::uint64_t> index(n + 1);
    double running = 0;
    for (std::uint64_t i = 0; i < n; i++) {
        running += weight[i];
        const double share = std::min(1.0, running / sum);
        index[i + 1] =
            i + 1 + static_cast<std::uint64_t>(share * static_cast<double>(header.edges - n));
    }
    index[n] = header.edges;

    file.write(&header, sizeof header);
    pad(file, sizeof header);
    file.write(index.data(), index.size() * 8);
    pad(file, index.size() * 8);
    const Zipf popularity(n, 0.8);
    std::vector<std::uint32_t> block(block_bytes / 4);
    for (std::uint64_t left = header.edges; left > 0;) {
        const std::uint64_t count = std::min<std::uint64_t>(left, block.size());
        for (std::uint64_t i = 0; i < count; i++)
            block[i] = static_cast<std::uint32_t>(options.sorted ? popularity.rank(random)
                                                                 : popularity.scattered(random));
        file.write(block.data(), count * 4);
        left -= count;
    }
    std::cout << "index: to byte " << header.edges_offset << " of "
              << header.edges_offset + 4 * header.edges << '\n';
    for (const std::uint64_t percent : {1, 10})
        if (options.sorted)
            std::cout << "edges of the first " << percent << " % of the nodes: to byte "
                      << header.edges_offset + 4 * index[n * percent / 100] << '\n';
}

// false: bad usage
bool parse_options(int argc, char** argv, Options& options) {
    static const option longs[] = {
        {"seed", required_argument, nullptr, 's'}, {"graph", required_argument, nullptr, 'g'},
        {"text", no_argument, nullptr, 't'},       {"sorted", no_argument, nullptr, 'o'},
        {"help", no_argument, nullptr, 'h'},       {}};
    for (int c; (c = getopt_long(argc, argv, "h", longs, nullptr)) != -1;) {
        switch (c) {
        case 's':
            options.seed = number(optarg, "--seed", UINT64_MAX);
            break;
        case 'g':
            options.nodes = number(optarg, "--graph", UINT32_MAX);
            break;
        case 't':
            options.text = true;
            break;
        case 'o':
            options.sorted = true;
            break;
        case 'h':
            std::cout << usage;
            exit(0);
        default:
            return false;
        }
    }
    const int left = argc - optind;
    if (left < (options.nodes ? 1 : 2) || left > 2 || (options.nodes && options.text) ||
        (options.sorted && !options.nodes))
        return false;
    if (left == 2)
        options.size = number(argv[optind], "SIZE", std::uint64_t{1} << 50, true);
    options.path = argv[argc - 1];
    return true;
}

} // namespace

int main(int argc, char** argv) {
    try {
        Options options;
        if (!parse_options(argc, argv, options)) {
            std::cerr << usage;
            return 2;
        }
        AtomicFile file(options.path);
        if (options.nodes)
            write_graph(file, options);
        else if (options.text)
            write_text(file, options);
        else
            write_random(file, options);
        file.commit();
    } catch (const std::exception& error) {
        std::cerr << "make-file: " << error.what() << '\n';
        return 1;
    }
    return 0;
}
