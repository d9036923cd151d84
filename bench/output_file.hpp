// SPDX-License-Identifier: Apache-2.0
//
// A file for results. Opened before the run: a path that cannot be written must not
// cost a run.
#pragma once

#include <fstream>
#include <iostream>
#include <string>

#include "error.hpp"

namespace pagepatrol::bench {

// "-" is stdout; an empty path is no file.
class OutputFile {
  public:
    explicit OutputFile(const std::string& path) : path_(path) {
        if (path.empty() || path == "-")
            return;
        file_.open(path);
        if (!file_)
            throw Error::of_errno(path + ": cannot write");
    }
    explicit operator bool() const { return !path_.empty(); }
    std::ostream& stream() { return path_ == "-" ? std::cout : file_; }
    void finish() {
        if (path_.empty())
            return;
        stream().flush();
        if (!stream())
            throw Error::of_errno(path_ + ": cannot write");
    }

  private:
    std::string path_;
    std::ofstream file_;
};

} // namespace pagepatrol::bench
