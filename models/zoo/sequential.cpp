// A model written layer by layer in the experiment file:
//
//   model:
//     name: sequential
//     layers: [{conv2d: {channels: 32, kernel: 5}}, relu, max_pool, flatten, {dense: 128}, relu, dense]
//
// Kinds of layers are in models/layers/catalogue.cpp and beside the layers of sequences.
#include "models/sequential.hpp"

#include "core/error.hpp"
#include "models/layers/written_layer.hpp"
#include "models/zoo/requirements.hpp"

namespace fedloom {

namespace {

struct WrittenSettings {
  std::vector<StepSpec> layers;

  template <class Visitor>
  void visit(Visitor& v) {
    v("layers", layers, "the layers in order; the last gives as many values as there are classes");
  }
};

std::unique_ptr<Model> make_written(const ConfigNode& node, const ModelContext& context) {
  const auto settings = read_config<WrittenSettings>(node);
  if (settings.layers.empty())
    throw user_error(
        "model sequential: needs 'layers', a list such as [{{dense: 128}}, relu, dense]; `fedloom list "
        "layers` "
        "shows the kinds");
  require_labels("sequential", context.data);
  std::unique_ptr<Model> model = sequential(context, written_layers(settings.layers, context.data));
  if (model->outputs() != static_cast<std::size_t>(context.data.classes))
    throw user_error(
        "{}: the last layer gives {} values, but the data set has {} classes; end with the layer 'dense'",
        settings.layers.back().where, model->outputs(), context.data.classes);
  return model;
}

struct WrittenRegistration {
  WrittenRegistration() {
    ModelRegistry::instance().add({{"sequential", "layers written one by one in the experiment file", ""},
                                   config_docs<WrittenSettings>(),
                                   make_written,
                                   resolved_with_layers<WrittenSettings>});
  }
};

const WrittenRegistration kWritten;

}  // namespace

}  // namespace fedloom
