// Gradients of a convolution's weights, with a vector over output channels: dz lies position by position in
// panels of 8 or 16 channels, and each pixel of x is broadcast to a whole panel. No lane idles at the end of
// a row and no sum runs across lanes, which costs images of 14 x 14 and smaller up to half their speed when
// the vector runs along a row (models/kernels/direct_conv.hpp does, for outputs).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "models/kernels/instruction_set.hpp"

namespace fedloom::panels {

/// Channels rounded up to whole panels: panels of 16, and a last one of 8 when that is enough. Lanes beyond
/// `channels` hold zeros.
std::size_t padded_channels(std::size_t channels);

/// panels (padded_channels x P floats: panel by panel, in a panel position by position) := z (O, P).
/// sums[o] := the sum of z's row o, for all padded channels.
void gather(std::size_t channels, std::size_t positions, const float* z, float* panels, float* sums,
            InstructionSet set = instruction_set());

/// Correlates n images of x with their dz: gradient[o][k] = sum over images, rows i, columns j of
/// dz[o][i, j] x[offset[k] + i x_row + j].
struct Correlation {
  std::size_t channels;                   // O
  std::span<const std::int32_t> offsets;  // of the K taps, in x
  std::size_t rows, columns;              // of dz; P = rows * columns
  std::size_t x_row, x_image;             // steps in floats
};

/// `sums` is padded_channels x K floats: panel by panel, in a panel tap by tap. Sets them, or adds to them
/// when `accumulate`. Each sum runs in order of images, rows and columns whatever the instruction set.
void correlate(const Correlation& form, const float* x, const float* dz_panels, std::size_t images,
               bool accumulate, float* sums, InstructionSet set = instruction_set());

/// gradient (O, K) := the sums of correlate.
void scatter(std::size_t channels, std::size_t taps, const float* sums, float* gradient,
             InstructionSet set = instruction_set());

}  // namespace fedloom::panels
