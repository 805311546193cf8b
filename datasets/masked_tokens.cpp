// One draw for each known token of a text says whether it is chosen, then one for each chosen token what is
// read in its place.
#include "datasets/masked_tokens.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "datasets/tokenizer.hpp"

namespace fedloom {

namespace {

constexpr std::int32_t kNothing = -1;

bool is_known(std::int32_t token) { return token >= Vocabulary::kFirst; }

}  // namespace

std::int64_t MaskingRule::predictions(std::int64_t tokens) const {
  return std::max<std::int64_t>(1, std::llround(share * static_cast<double>(tokens)));
}

MaskedTokens::MaskedTokens(std::shared_ptr<const Examples> texts, const MaskingRule& rule)
    : texts_(std::move(texts)), rule_(rule), spec_(texts_->spec()) {
  FEDLOOM_CHECK(spec_.vocabulary > Vocabulary::kFirst, "a vocabulary of {}", spec_.vocabulary);
  FEDLOOM_CHECK(
      rule_.share > 0.0 && rule_.hidden >= 0.0 && rule_.random >= 0.0 && rule_.hidden + rule_.random <= 1.0,
      "{} of the tokens, {} hidden, {} random", rule_.share, rule_.hidden, rule_.random);
  spec_.predictions = rule_.predictions(spec_.width());
}

void MaskedTokens::gather_masked(std::span<const std::uint32_t> indices, Random* draws,
                                 const MaskedRows& rows) const {
  const auto length = static_cast<std::size_t>(spec_.width());
  const auto most = static_cast<std::size_t>(spec_.predictions);
  for (std::size_t row = 0; row < indices.size(); ++row) {
    std::int32_t* tokens = rows.tokens + row * length;
    std::uint8_t* mask = rows.mask + row * length;
    std::int32_t label = 0;
    texts_->gather_tokens(indices.subspan(row, 1), tokens, mask, &label);
    const auto real = static_cast<std::size_t>(std::count(mask, mask + length, std::uint8_t{1}));
    // What is tested belongs to the set, not to the experiment and its seed.
    Random fixed(0, Stream::masking, indices[row]);
    hide(draws != nullptr ? *draws : fixed, tokens, rows.places + row * most, rows.targets + row * most,
         real);
  }
}

void MaskedTokens::hide(Random& random, std::int32_t* tokens, std::int32_t* places, std::int32_t* targets,
                        std::size_t real) const {
  const auto most = static_cast<std::size_t>(spec_.predictions);
  auto left = static_cast<std::size_t>(std::count_if(tokens, tokens + real, is_known));
  const auto wanted =
      std::min({left, most, static_cast<std::size_t>(rule_.predictions(static_cast<std::int64_t>(real)))});
  std::fill_n(places, most, 0);
  std::fill_n(targets, most, kNothing);
  const auto words = static_cast<std::uint64_t>(spec_.vocabulary - Vocabulary::kFirst);
  // Selection sampling: every set of `wanted` known tokens is as likely. Knuth, The Art of Computer
  // Programming 2, algorithm 3.4.2S.
  for (std::size_t t = 0, chosen = 0; chosen < wanted; ++t) {
    if (!is_known(tokens[t]) || random.below(left--) >= wanted - chosen) continue;
    places[chosen] = static_cast<std::int32_t>(t);
    targets[chosen] = tokens[t];
    ++chosen;
    const double fate = random.uniform();
    if (fate < rule_.hidden)
      tokens[t] = Vocabulary::kHidden;
    else if (fate < rule_.hidden + rule_.random)
      tokens[t] = Vocabulary::kFirst + static_cast<std::int32_t>(random.below(words));
  }
}

}  // namespace fedloom
