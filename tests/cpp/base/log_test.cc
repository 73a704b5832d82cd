// Goal: log lines look as Triton's do, cannot be forged by their text, and go where settings say.
// Method: write to a temporary file (or captured stdout and stderr) and match what arrives.
#include "base/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace tritonpy {
namespace {

// Times and numbers as zeros, for comparing the form of lines.
std::string without_digits(std::string text) {
    std::ranges::replace_if(
        text, [](char c) { return c >= '0' && c <= '9'; }, '0');
    return text;
}

class LogTest : public testing::Test {
  protected:
    LogTest() {
        const testing::TestInfo& test = *testing::UnitTest::GetInstance()->current_test_info();
        path_ = testing::TempDir() + "log_test_" + test.name() + "_" + std::to_string(getpid());
        settings_.file = path_;
    }
    ~LogTest() override { std::remove(path_.c_str()); }

    std::string content() const { return content_of(path_); }

    static std::string content_of(const std::string& path) {
        std::ifstream file(path, std::ios::binary);
        std::ostringstream text;
        text << file.rdbuf();
        return text.str();
    }

    std::vector<std::string> lines() const {
        std::istringstream text(content());
        std::vector<std::string> lines;
        for (std::string line; std::getline(text, line);) {
            lines.push_back(line);
        }
        return lines;
    }

    std::string path_;
    LogSettings settings_;
    Log log_;
};

TEST_F(LogTest, default_line_has_level_date_time_process_place_and_quoted_text) {
    ASSERT_TRUE(log_.configure(settings_).ok());
    log_.write(LogLevel::kInfo, "/some/folder/place.cc", 12, "hello");
    std::string place = " " + std::to_string(getpid()) + " place.cc:12] \"hello\"\n";
    EXPECT_TRUE(content().ends_with(place)) << content();
    EXPECT_EQ(without_digits(content()), without_digits("I0000 00:00:00.000000" + place));
}

TEST_F(LogTest, iso8601_line_has_the_date_first_and_the_level_as_a_word) {
    settings_.format = LogFormat::kIso8601;
    ASSERT_TRUE(log_.configure(settings_).ok());
    log_.write(LogLevel::kWarning, "place.cc", 7, "hello");
    std::string place = " W " + std::to_string(getpid()) + " place.cc:7] \"hello\"\n";
    EXPECT_TRUE(content().ends_with(place)) << content();
    EXPECT_EQ(without_digits(content()), without_digits("0000-00-00T00:00:00Z" + place));
}

TEST_F(LogTest, each_level_has_its_letter) {
    settings_.verbose_level = 1;
    ASSERT_TRUE(log_.configure(settings_).ok());
    for (LogLevel level :
         {LogLevel::kError, LogLevel::kWarning, LogLevel::kInfo, LogLevel::kVerbose}) {
        log_.write(level, "f", 1, "t");
    }
    std::string letters;
    for (const std::string& line : lines()) {
        letters.push_back(line.front());
    }
    EXPECT_EQ(letters, "EWII");
}

TEST_F(LogTest, text_cannot_forge_a_line) {
    ASSERT_TRUE(log_.configure(settings_).ok());
    std::string hostile("a\nE0101 forged\r\t\b\f\"\\", 20);
    hostile += std::string("\0\x01\x1f\x7f\v", 5);
    hostile += "\xc3\xa9";
    log_.write(LogLevel::kInfo, "f", 1, hostile);
    ASSERT_EQ(lines().size(), 1u);
    std::string line = lines().front();
    EXPECT_EQ(line.substr(line.find('"')),
              R"("a\nE0101 forged\r\t\b\f\"\\\u0000\u0001\u001F)" "\x7f" R"(\u000B)" "\xc3\xa9\"");
}

TEST_F(LogTest, without_escaping_the_text_is_left_alone) {
    settings_.escape = false;
    ASSERT_TRUE(log_.configure(settings_).ok());
    log_.write(LogLevel::kInfo, "f", 1, "say \"hello\"");
    std::string line = lines().front();
    EXPECT_TRUE(line.ends_with("] say \"hello\"")) << line;
}

TEST_F(LogTest, levels_that_are_off_write_nothing_and_build_no_text) {
    settings_.info = false;
    ASSERT_TRUE(log_.configure(settings_).ok());
    int built = 0;
    auto text = [&] {
        ++built;
        return std::string("text");
    };
    TRITONPY_LOG(log_, LogLevel::kInfo, text());
    TRITONPY_LOG(log_, LogLevel::kVerbose, text());
    log_.write(LogLevel::kInfo, "f", 1, "text");
    EXPECT_EQ(built, 0);
    EXPECT_EQ(content(), "");
    TRITONPY_LOG(log_, LogLevel::kError, text());
    EXPECT_EQ(built, 1);
    ASSERT_EQ(lines().size(), 1u);
    EXPECT_NE(lines().front().find(" log_test.cc:"), std::string::npos);
}

TEST_F(LogTest, every_level_can_be_switched_alone) {
    Log log;
    EXPECT_TRUE(log.enabled(LogLevel::kError));
    EXPECT_TRUE(log.enabled(LogLevel::kWarning));
    EXPECT_TRUE(log.enabled(LogLevel::kInfo));
    EXPECT_FALSE(log.enabled(LogLevel::kVerbose));
    LogSettings settings;
    settings.error = settings.warning = settings.info = false;
    settings.verbose_level = 2;
    ASSERT_TRUE(log.configure(settings).ok());
    EXPECT_FALSE(log.enabled(LogLevel::kError));
    EXPECT_FALSE(log.enabled(LogLevel::kWarning));
    EXPECT_FALSE(log.enabled(LogLevel::kInfo));
    EXPECT_TRUE(log.enabled(LogLevel::kVerbose));
    EXPECT_EQ(log.settings().verbose_level, 2u);
}

TEST_F(LogTest, without_a_file_news_go_to_stdout_and_trouble_to_stderr) {
    settings_.file.clear();
    settings_.verbose_level = 1;
    ASSERT_TRUE(log_.configure(settings_).ok());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    log_.write(LogLevel::kError, "f", 1, "error");
    log_.write(LogLevel::kWarning, "f", 1, "warning");
    log_.write(LogLevel::kInfo, "f", 1, "info");
    log_.write(LogLevel::kVerbose, "f", 1, "verbose");
    std::string out = testing::internal::GetCapturedStdout();
    std::string err = testing::internal::GetCapturedStderr();
    EXPECT_NE(out.find("\"info\"\n"), std::string::npos);
    EXPECT_NE(out.find("\"verbose\"\n"), std::string::npos);
    EXPECT_EQ(out.find("\"error\""), std::string::npos);
    EXPECT_EQ(out.find("\"warning\""), std::string::npos);
    EXPECT_NE(err.find("\"error\"\n"), std::string::npos);
    EXPECT_NE(err.find("\"warning\"\n"), std::string::npos);
}

TEST_F(LogTest, file_is_appended_to_and_can_be_changed) {
    ASSERT_TRUE(log_.configure(settings_).ok());
    log_.write(LogLevel::kInfo, "f", 1, "first");
    LogSettings other = settings_;
    other.file = path_ + "_other";
    ASSERT_TRUE(log_.configure(other).ok());
    log_.write(LogLevel::kInfo, "f", 1, "second");
    std::string second = content_of(other.file);
    std::remove(other.file.c_str());
    EXPECT_NE(second.find("\"second\""), std::string::npos);
    ASSERT_TRUE(log_.configure(settings_).ok());
    log_.write(LogLevel::kInfo, "f", 1, "third");
    ASSERT_EQ(lines().size(), 2u);
    EXPECT_TRUE(lines()[0].ends_with("\"first\""));
    EXPECT_TRUE(lines()[1].ends_with("\"third\""));
}

TEST_F(LogTest, file_that_cannot_be_opened_changes_nothing) {
    ASSERT_TRUE(log_.configure(settings_).ok());
    LogSettings wrong = settings_;
    wrong.file = path_ + "/not/a/folder";
    wrong.info = false;
    Status status = log_.configure(wrong);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.code(), StatusCode::kInvalidArg);
    EXPECT_NE(status.message().find(wrong.file), std::string_view::npos);
    EXPECT_EQ(log_.settings().file, settings_.file);
    log_.write(LogLevel::kInfo, "f", 1, "still here");
    ASSERT_EQ(lines().size(), 1u);
}

TEST_F(LogTest, very_long_text_is_cut_but_a_long_file_name_is_not) {
    ASSERT_TRUE(log_.configure(settings_).ok());
    std::string name(300, 'n');
    log_.write(LogLevel::kInfo, name, 1, std::string(200'000, 'x'));
    std::string line = lines().front();
    EXPECT_EQ(std::count(line.begin(), line.end(), 'x'), 64 << 10);
    EXPECT_NE(line.find(" " + name + ":1] \""), std::string::npos);
}

TEST_F(LogTest, lines_of_many_threads_do_not_mix_while_settings_change) {
    constexpr int kThreads = 4;
    constexpr int kLines = 200;
    ASSERT_TRUE(log_.configure(settings_).ok());
    std::atomic<bool> stop{false};
    std::thread changer([&] {
        LogSettings changed = settings_;
        while (!stop) {
            changed.verbose_level ^= 1;
            EXPECT_TRUE(log_.configure(changed).ok());
        }
    });
    std::vector<std::thread> writers;
    for (int writer = 0; writer < kThreads; ++writer) {
        writers.emplace_back([this, writer] {
            for (int line = 0; line < kLines; ++line) {
                std::string text(100, static_cast<char>('a' + writer));
                TRITONPY_LOG(log_, LogLevel::kInfo, text);
            }
        });
    }
    for (std::thread& writer : writers) {
        writer.join();
    }
    stop = true;
    changer.join();
    std::vector<std::string> all = lines();
    ASSERT_EQ(all.size(), static_cast<size_t>(kThreads * kLines));
    std::map<std::string, int> lines_by_text;
    for (const std::string& line : all) {
        ASSERT_EQ(line.find('I'), 0u) << line;
        ++lines_by_text[line.substr(line.find('"'))];
    }
    for (int writer = 0; writer < kThreads; ++writer) {
        std::string text = '"' + std::string(100, static_cast<char>('a' + writer)) + '"';
        EXPECT_EQ(lines_by_text[text], kLines) << text;
    }
}

}  // namespace
}  // namespace tritonpy
