// Texts of peers, character by character.
#include "transport/printable.hpp"

#include <gtest/gtest.h>

namespace fedloom::testing {
namespace {

TEST(Printable, LeavesWhatCanBeRead) {
  for (const char* text : {"", "client 3", "Zoë's §5 – 東京 🙂", "0 … 2"})
    EXPECT_EQ(printable(text, 100), text);
}

TEST(Printable, ReplacesWhatDrivesATerminalOrALine) {
  EXPECT_EQ(printable("a\nb\tc", 100), "a b c");
  EXPECT_EQ(printable(std::string_view("\x1b[2J\r\0\x7f", 7), 100), "?[2J???");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m",
                      100),
            "?31m");  // CSI in one character, U+009B
  EXPECT_EQ(printable("a\u202eb\u2066c\u2028d", 100), "a?b?c?d");
}

// RFC 3629, section 10 and the examples of section 3.
TEST(Printable, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(printable("\xff\xfe", 100), "??");
  EXPECT_EQ(printable("\xc0\x80", 100), "??");            // longer than needed
  EXPECT_EQ(printable("\xe0\x80\x80", 100), "???");       // the same in three bytes
  EXPECT_EQ(printable("\xed\xa0\x80", 100), "???");       // a surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80", 100), "????");  // above U+10FFFF
  EXPECT_EQ(printable("x\xe6\x9d", 100), "x??");          // cut short
  EXPECT_EQ(printable("\xe6x", 100), "?x");
}

TEST(Printable, CountsCharactersNotBytes) {
  EXPECT_EQ(printable("東京都", 3), "東京都");
  EXPECT_EQ(printable("東京都", 2), "東京…");
  EXPECT_EQ(printable(std::string(1U << 20U, 'x'), 5), "xxxxx…");
  EXPECT_EQ(printable("x", 0), "…");
}

}  // namespace
}  // namespace fedloom::testing
