// Legend: C input channels, O output channels, k kernel, s stride, p padding, K = C k^2 taps, P output
// positions of an image; x (C, H, W) one image, z (O, P) before bias, y = pool(relu(z + b)), W (O, K); d* is
// the gradient of *, and a bar is a copy within a border of zeros.
//   z[o][i,j] = sum over c,u,v of W[o][c,u,v] xbar[c][i s + u, j s + v]
//   dx[c][i,j] = sum over o,u,v of W[o][c,k-1-u,k-1-v] dzbar[o][i + u, j + v]      (s = 1; border k - 1 - p)
//   dW[o][c,u,v] = sum over images,i,j of dz[o][i,j] xbar[c][i s + u, j s + v];   db = sums of dz
// xbar's rows are split by column modulo s, so that neighbours in a vector are neighbours in memory for every
// stride. Rows of taps that meet only the border are left out. For s > 1 dx is W^T dz and col2im.
#include "models/layers/conv_direct.hpp"

#include <algorithm>
#include <vector>

#include "models/elementwise.hpp"
#include "models/gemm.hpp"
#include "models/kernels/channel_panels.hpp"
#include "models/kernels/direct_conv.hpp"
#include "models/layers/im2col.hpp"
#include "models/layers/pooling.hpp"
#include "models/vectors.hpp"

namespace fedloom {

namespace {

std::size_t extent(std::int64_t value) { return static_cast<std::size_t>(value); }

// Planes with a border: row r, column j of the image lie at row r + border, segment (j + border) % stride.
struct Padded {
  std::size_t height = 0, width = 0, border = 0, stride = 1;
  std::size_t segment = 0;  // floats of one column class; a row is `stride` of them
  std::size_t row() const { return stride * segment; }
  std::size_t plane() const { return (height + 2 * border) * row(); }
};

constexpr std::size_t kPadLanes = 8;

// Writes up to kPadLanes - 1 floats beyond `count`.
FEDLOOM_ALWAYS_INLINE void clear_beyond(float* to, std::size_t count) {
  for (std::size_t i = 0; i < count; i += kPadLanes) simd::store(to + i, simd::Floats<kPadLanes>{});
}

// Where rows are dense, only the border is cleared: what lies between the pixels of one row and those of the
// next, before the next are written. May write kPadLanes - 1 floats beyond the end of `padded`.
FEDLOOM_SIMD_CLONES
void pad(const Padded& form, const float* planes, std::size_t count, float* padded) {
  using Vector = simd::Floats<kPadLanes>;
  const std::size_t width = form.width;
  if (form.stride > 1) {
    std::fill_n(padded, count * form.plane(), 0.0F);
    for (std::size_t plane = 0; plane < count; ++plane) {
      float* to = padded + plane * form.plane() + form.border * form.row();
      for (std::size_t y = 0; y < form.height; ++y, planes += width, to += form.row()) {
        for (std::size_t part = 0; part < form.stride; ++part) {
          const std::size_t first = (part + form.stride - form.border % form.stride) % form.stride;
          float* at = to + part * form.segment + (first + form.border) / form.stride;
          for (std::size_t x = first; x < width; x += form.stride) *at++ = planes[x];
        }
      }
    }
    return;
  }
  const std::size_t gap = form.row() - width;
  const std::size_t before = form.border * form.row() + form.border;
  for (std::size_t plane = 0; plane < count; ++plane) {
    float* to = padded + plane * form.plane();
    clear_beyond(to, before);
    to += before;
    for (std::size_t y = 0; y < form.height; ++y, planes += width, to += form.row()) {
      if (width >= kPadLanes) {
        // The last vector ends with the row and may repeat pixels of the one before.
        for (std::size_t x = 0; x + kPadLanes < width; x += kPadLanes)
          simd::store(to + x, simd::load<Vector>(planes + x));
        simd::store(to + width - kPadLanes, simd::load<Vector>(planes + width - kPadLanes));
      } else {
        for (std::size_t x = 0; x < width; ++x) to[x] = planes[x];
      }
      clear_beyond(to + width, y + 1 < form.height ? gap : gap - form.border + form.border * form.row());
    }
  }
}

// A sweep with the tables it points to.
struct Tables {
  std::vector<std::int32_t> offsets;  // of each tap, in the input
  std::vector<std::int32_t> order;    // of each tap, in a channel's weights
  std::vector<direct::Tile> tiles;
  std::size_t channels = 0, lanes = 0, out_plane = 0, block_taps = 0, kernel_rows = 0;

  direct::Sweep sweep() const {
    return {channels, lanes, offsets, block_taps, kernel_rows, tiles, out_plane};
  }

  // Calls add(channel, row, column) for the taps in their order: blocks of channels, then kernel rows.
  template <class Add>
  void order_taps(std::size_t in_channels, std::size_t kernel, const Add& add) {
    // A channel's part of the weights of a tile, and about as many pixels around it.
    constexpr std::size_t kNearFloats = std::size_t{12} * 1024 / sizeof(float);
    const std::size_t most =
        std::max<std::size_t>(1, kNearFloats / (direct::kTileChannels * kernel * kernel));
    const std::size_t blocks = (in_channels + most - 1) / most;
    const std::size_t step = (in_channels + blocks - 1) / blocks;
    kernel_rows = kernel;
    block_taps = step * kernel * kernel;
    for (std::size_t first = 0; first < in_channels; first += step)
      for (std::size_t u = 0; u < kernel; ++u)
        for (std::size_t c = first; c < std::min(in_channels, first + step); ++c)
          for (std::size_t v = 0; v < kernel; ++v) add(c, u, v);
  }

  // Rows whose taps are [first, last) rows of the kernel; consecutive such rows share tiles.
  template <class KernelRows>
  void lay_tiles(std::size_t rows, std::size_t width, std::size_t in_row, const KernelRows& rows_of_taps) {
    out_plane = rows * width;
    std::size_t y = 0;
    while (y < rows) {
      const auto taps = rows_of_taps(y);
      std::vector<std::pair<std::size_t, std::size_t>> starts;  // (in, out) of each vector
      for (; y < rows && rows_of_taps(y) == taps; ++y)
        for (std::size_t x = 0; x < width; x += lanes) {
          const std::size_t at = std::min(x, width - lanes);  // the last vector ends with the row
          starts.emplace_back(y * in_row + at, y * width + at);
        }
      const std::size_t parts = (starts.size() + direct::kTileVectors - 1) / direct::kTileVectors;
      for (std::size_t part = 0; part < parts; ++part) {
        direct::Tile tile{};
        tile.first_row = static_cast<std::uint32_t>(taps.first);
        tile.last_row = static_cast<std::uint32_t>(taps.second);
        for (std::size_t i = starts.size() * part / parts; i < starts.size() * (part + 1) / parts; ++i) {
          tile.in[tile.count] = static_cast<std::uint32_t>(starts[i].first);
          tile.out[tile.count++] = static_cast<std::uint32_t>(starts[i].second);
        }
        tiles.push_back(tile);
      }
    }
  }
};

class DirectConv2d final : public Layer {
 public:
  DirectConv2d(std::string name, const Shape& input, const Shape& output, Conv2dOptions options,
               ParameterPlan& plan)
      : Layer(std::move(name), input, output),
        options_(options),
        form_{extent(input[0]),       extent(input[1]),       extent(input[2]),
              extent(options.kernel), extent(options.stride), extent(options.padding)},
        out_channels_(extent(options.channels)),
        weight_(plan.add(this->name() + ".weight",
                         {options.channels, input[0], options.kernel, options.kernel})) {
    if (options_.bias) bias_ = plan.add(this->name() + ".bias", {options.channels});
    plan_forward();
    if (form_.stride == 1 && direct::lanes_for(form_.width) > 0) plan_backward();
  }

  LayerNeeds needs(std::size_t max_batch) const override {
    const Scratch end = scratch(nullptr, block_images(max_batch));
    return {.kept_bytes = options_.pool ? max_batch * output_width() : 0, .scratch_floats = end.floats};
  }

  void initialize(std::span<float> parameters, Random& random) const override {
    const std::size_t taps = form_.kernel * form_.kernel;
    fedloom::initialize(options_.initializer, {form_.patch(), out_channels_ * taps},
                        parameters.subspan(weight_.offset, weight_.size),
                        parameters.subspan(bias_.offset, bias_.size), random);
  }

  double forward_flops() const override {
    return 2.0 * static_cast<double>(out_channels_ * form_.patch()) * static_cast<double>(form_.positions());
  }

  void forward(const ForwardPass& pass, const float* x, float* y,
               const LayerStorage& storage) const override {
    const Scratch space = scratch(storage.scratch, 1);
    const float* bias = options_.bias ? pass.parameters + bias_.offset : nullptr;
    direct::pack(out_channels_, pass.parameters + weight_.offset, form_.patch(), forward_.order,
                 space.packed);
    for (std::size_t image = 0; image < pass.batch.size; ++image, x += input_width(), y += output_width()) {
      if (pass.options.observer != nullptr) observe(*pass.options.observer, x);
      pad(x_form_, x, form_.channels, space.x);
      if (!options_.pool) {
        direct::sweep(forward_.sweep(), space.x, space.packed, bias, options_.relu, space.waiting, y);
        continue;
      }
      direct::sweep(forward_.sweep(), space.x, space.packed, nullptr, false, space.waiting, space.planes);
      pool2x2(planes(), space.planes, bias, options_.relu, y, storage.kept + image * output_width());
    }
  }

  void backward(const BackwardPass& pass, const float* x, const float* y, float* dy, float* dx,
                const LayerStorage& storage) const override {
    const bool sums_weight = pass.gradient != nullptr && weight_.trained;
    const bool sums_bias = pass.gradient != nullptr && trains_bias();
    const bool norms = pass.square_norms != nullptr && (weight_.trained || trains_bias());
    const bool needs_x = weight_.trained && (sums_weight || norms);
    const bool needs_dz = needs_x || (trains_bias() && (sums_bias || norms));
    // Norms need each image's own gradient, so blocks are then single images.
    const std::size_t step = norms ? 1 : block_images(pass.batch.size);
    const Scratch space = scratch(storage.scratch, step);
    if (sums_bias) std::fill_n(pass.gradient + bias_.offset, out_channels_, 0.0F);
    if (dx != nullptr && !backward_.tiles.empty())
      direct::pack(form_.channels, pass.parameters + weight_.offset, form_.kernel * form_.kernel,
                   backward_.order, space.packed);
    for (std::size_t first = 0; first < pass.batch.size; first += step) {
      const std::size_t n = std::min(step, pass.batch.size - first);
      if (needs_x) pad(x_form_, x + first * input_width(), n * form_.channels, space.x);
      for (std::size_t i = 0; i < n; ++i) {
        const std::size_t at = (first + i) * output_width();
        const float* dz = undo_finish(y + at, dy + at, storage.kept + at, space.planes);
        if (needs_dz)
          panels::gather(out_channels_, form_.positions(), dz, space.dz + i * dz_size(), space.dz_sums);
        if (sums_bias) add_scaled(pass.gradient + bias_.offset, space.dz_sums, 1.0F, out_channels_);
        if (norms && trains_bias()) pass.square_norms[first] += square_norm(space.dz_sums, out_channels_);
        if (dx != nullptr) input_gradient(pass.parameters, dz, space, dx + (first + i) * input_width());
      }
      if (needs_x) correlate(space, n, first > 0, norms ? pass.square_norms + first : nullptr);
    }
    if (sums_weight)
      panels::scatter(out_channels_, form_.patch(), space.weight, pass.gradient + weight_.offset);
  }

 private:
  // Parts of the scratch memory, for blocks of some number of images.
  struct Scratch {
    float* x;             // (n, C) padded planes
    float* dz;            // (n) panels
    float* dz_padded;     // (O) padded planes of one image
    float* dz_sums;       // (O) of one image
    float* planes;        // (O, P): z or dz of one image
    float* packed;        // weights in the order of a sweep
    float* waiting;       // sums of a sweep between its blocks
    float* weight;        // panels of dW
    float* image_weight;  // the same of one image
    float* columns;       // (K, P), where dx goes through patches
    std::size_t floats;
  };

  Scratch scratch(float* base, std::size_t images) const {
    Scratch space{};
    const auto part = [&](std::size_t floats, std::size_t slack = 0) {
      float* start = base == nullptr ? nullptr : base + space.floats + slack;
      space.floats += aligned_floats(floats + 2 * slack);
      return start;
    };
    const std::size_t P = form_.positions();
    space.x = part(images * form_.channels * x_form_.plane(), kPadLanes);
    space.dz = part(images * dz_size());
    space.dz_sums = part(panels::padded_channels(out_channels_));
    space.planes = part(out_channels_ * P);
    space.packed = part(out_channels_ * form_.patch());
    space.waiting =
        part(std::max(direct::waiting_floats(forward_.sweep()), direct::waiting_floats(backward_.sweep())));
    space.weight = part(weight_size());
    space.image_weight = part(weight_size());
    if (backward_.tiles.empty())
      space.columns = part(form_.patch() * P, kIm2colSlack);
    else
      space.dz_padded = part(out_channels_ * dz_form_.plane(), kPadLanes);
    return space;
  }

  std::size_t dz_size() const { return panels::padded_channels(out_channels_) * form_.positions(); }
  std::size_t weight_size() const { return panels::padded_channels(out_channels_) * form_.patch(); }

  // Images whose planes and panels fill a quarter megabyte, a share of any second-level cache.
  std::size_t block_images(std::size_t batch) const {
    constexpr std::size_t kBlockFloats = std::size_t{256} * 1024 / sizeof(float);
    const std::size_t per_image = form_.channels * x_form_.plane() + dz_size();
    return std::clamp<std::size_t>(kBlockFloats / per_image, 1, std::max<std::size_t>(batch, 1));
  }

  void plan_forward() {
    const std::size_t k = form_.kernel;
    const std::size_t s = form_.stride;
    const std::size_t out_width = form_.out_width();
    forward_.channels = out_channels_;
    forward_.lanes = direct::lanes_for(out_width);
    x_form_ = {form_.height, form_.width, form_.padding, s, (form_.padded_width() + s - 1) / s};
    const std::size_t border = s == 1 ? k - 1 - form_.padding : 0;
    dz_form_ = {form_.out_height(), out_width, border, 1, out_width + 2 * border};
    const auto tap = [&](std::size_t c, std::size_t u, std::size_t v) {
      return static_cast<std::int32_t>(c * x_form_.plane() + u * x_form_.row() + v % s * x_form_.segment +
                                       v / s);
    };
    forward_.order_taps(form_.channels, k, [&](std::size_t c, std::size_t u, std::size_t v) {
      forward_.offsets.push_back(tap(c, u, v));
      forward_.order.push_back(static_cast<std::int32_t>((c * k + u) * k + v));
    });
    for (std::size_t c = 0; c < form_.channels; ++c)
      for (std::size_t u = 0; u < k; ++u)
        for (std::size_t v = 0; v < k; ++v) weight_taps_.push_back(tap(c, u, v));
    forward_.lay_tiles(form_.out_height(), out_width, s * x_form_.row(),
                       [&](std::size_t y) { return inside(y * s, form_.padding, form_.height); });
  }

  void plan_backward() {
    const std::size_t k = form_.kernel;
    backward_.channels = form_.channels;
    backward_.lanes = direct::lanes_for(form_.width);
    backward_.order_taps(out_channels_, k, [&](std::size_t o, std::size_t u, std::size_t v) {
      backward_.offsets.push_back(static_cast<std::int32_t>(o * dz_form_.plane() + u * dz_form_.row() + v));
      backward_.order.push_back(static_cast<std::int32_t>(o * form_.patch() + (k - 1 - u) * k + (k - 1 - v)));
    });
    backward_.lay_tiles(form_.height, form_.width, dz_form_.row(),
                        [&](std::size_t y) { return inside(y, dz_form_.border, dz_form_.height); });
  }

  // Of the kernel's rows that begin at padded row `row`, those that meet the image and not its border.
  std::pair<std::size_t, std::size_t> inside(std::size_t row, std::size_t border, std::size_t height) const {
    const std::size_t first = row < border ? border - row : 0;
    const std::size_t last = row < border + height ? std::min(form_.kernel, border + height - row) : 0;
    return {std::min(first, last), last};
  }

  bool trains_bias() const { return options_.bias && bias_.trained; }

  PoolPlanes planes() const {
    return {out_channels_, form_.out_height(), form_.out_width(), form_.positions()};
  }

  // dz (O, P) of one image from its output's gradient: in `dense`, or dy itself.
  const float* undo_finish(const float* y, float* dy, const std::uint8_t* choice, float* dense) const {
    if (options_.pool) {
      unpool2x2(planes(), dy, choice, dense);
      return dense;
    }
    if (options_.relu) relu_backward(dy, y, output_width());
    return dy;
  }

  // Adds the block's part of dW to space.weight; adds the square norm of a block of one image.
  void correlate(const Scratch& space, std::size_t images, bool accumulate, double* norm) const {
    const panels::Correlation form{out_channels_,
                                   weight_taps_,
                                   form_.out_height(),
                                   form_.out_width(),
                                   form_.stride * x_form_.row(),
                                   form_.channels * x_form_.plane()};
    if (norm == nullptr) {
      panels::correlate(form, space.x, space.dz, images, accumulate, space.weight);
      return;
    }
    panels::correlate(form, space.x, space.dz, images, false, space.image_weight);
    *norm += square_norm(space.image_weight, weight_size());
    if (!accumulate) std::fill_n(space.weight, weight_size(), 0.0F);
    add_scaled(space.weight, space.image_weight, 1.0F, weight_size());
  }

  void input_gradient(const float* parameters, const float* dz, const Scratch& space, float* dx) const {
    if (!backward_.tiles.empty()) {
      pad(dz_form_, dz, out_channels_, space.dz_padded);
      direct::sweep(backward_.sweep(), space.dz_padded, space.packed, nullptr, false, space.waiting, dx);
      return;
    }
    const std::size_t K = form_.patch();
    const std::size_t P = form_.positions();
    gemm({K, P, out_channels_, transposed(parameters + weight_.offset, K), plain(dz, P), space.columns, P});
    col2im(form_, space.columns, 1, dx);
  }

  void observe(LayerObserver& observer, const float* x) const {
    std::vector<float> padded(form_.padded_size() + 2 * kIm2colSlack);
    std::vector<float> columns(form_.patch() * form_.positions() + 2 * kIm2colSlack);
    std::vector<float> rows(form_.positions() * form_.patch());
    pad_images(form_, x, 1, padded.data() + kIm2colSlack);
    im2col(form_, padded.data() + kIm2colSlack, 1, columns.data() + kIm2colSlack);
    patch_rows(form_, columns.data() + kIm2colSlack, 1, 0, rows.data());
    observer.layer_input(name(), rows, form_.positions(), form_.patch());
  }

  Conv2dOptions options_;
  ConvGeometry form_;
  std::size_t out_channels_;
  Held weight_;
  Held bias_;
  Padded x_form_;
  Padded dz_form_;
  Tables forward_;
  Tables backward_;                        // empty where dx goes through patches
  std::vector<std::int32_t> weight_taps_;  // offsets in (channel, kernel row, kernel column) order
};

}  // namespace

bool conv_direct_fits(std::size_t width) { return direct::lanes_for(width) > 0; }

std::unique_ptr<Layer> conv_direct(std::string name, const Shape& input, const Shape& output,
                                   const Conv2dOptions& options, ParameterPlan& plan) {
  return std::make_unique<DirectConv2d>(std::move(name), input, output, options, plan);
}

}  // namespace fedloom
