// LoRA-FAIR. J. Bian, L. Wang, L. Zhang, J. Xu, "LoRA-FAIR: Federated LoRA Fine-Tuning with Aggregation and
// Initialization Refinement", ICCV 2025.
//
//   each client k:  (A_k, B_k) <- SGD from (A, B)
//   server:  A = sum p_k A_k,  B = sum p_k B_k,  T = sum p_k B_k A_k, and layer by layer, A fixed,
//            D = argmin  1 - cos(T, (B + D) A) + lambda |D|_F^2        (equation 8)
//   sends    A and B + D, from which clients go on ("Avg-Initial")
//
// The cosine is over the whole matrix, or the mean of those of its columns (`cosine: columns`). Solved as in
// the code that follows the authors', by gradient steps on D from zeros or Xavier noise; the latter needs
// lambda near 1, or the noise stays in B. `solver: closed_form` is not in the paper: it takes |T - (B + D)
// A|_F^2 + lambda |D|_F^2, whose minimum is D = (M - B G)(G + lambda I)^-1 with M = T A^T and G = A A^T.
//
// T is never formed: with L = [p_k B_k] and R = [A_k; …], <P, T> = tr((B + D)^T M), |P|^2 = tr((B + D)^T (B +
// D) G), and a step costs O(O r^2), or O((O + I) K r^2) over columns.
#include <cmath>

#include <Eigen/QR>

#include "algorithms/algorithm.hpp"
#include "algorithms/lora/lora_strategy.hpp"

namespace fedloom {
namespace {

using lora::Matrix;

struct LoraFairConfig {
  lora::Settings lora;
  std::string solver = "sgd";
  std::string cosine = "flattened";
  std::string init = "zeros";
  double lambda = 0.01;
  std::int64_t steps = 1000;
  double lr = 0.01;
  template <class Visitor>
  void visit(Visitor& v) {
    lora.visit(v);
    v("solver", solver,
      "sgd: gradient steps on the correction; closed_form: least squares instead of the cosine",
      one_of({"sgd", "closed_form"}));
    v("cosine", cosine, "similarity of whole matrices, or the mean over their columns (sgd)",
      one_of({"flattened", "columns"}));
    v("init", init, "where the correction starts (sgd); xavier wants lambda near 1",
      one_of({"zeros", "xavier"}));
    v("lambda", lambda, "weight of the correction's squared norm; 0: the direction alone counts",
      at_least(0));
    v("steps", steps, "gradient steps (sgd); 0 is FedIT", between(0, 1e6));
    v("lr", lr, "their learning rate", above(0));
  }
};

/// What equation 8 needs of one layer.
struct Problem {
  Matrix left;    // L (O, K r)
  Matrix right;   // R (K r, I)
  Matrix first;   // A (r, I)
  Matrix second;  // B (O, r)

  Matrix m() const { return left * (right * first.transpose()); }
  Matrix g() const { return first * first.transpose(); }
};

/// Gradient of 1 - cos(T, X A) at X = B + D, over whole matrices. Where a side is zero no direction is
/// better.
class FlattenedCosine {
 public:
  explicit FlattenedCosine(const Problem& problem)
      : m_(problem.m()), g_(problem.g()), target_(lora::product_norm(problem.left, problem.right)) {}

  const Matrix& m() const { return m_; }
  /// The same for coordinates of X in an orthonormal basis (O, q) of directions that M lies in.
  FlattenedCosine within(const Matrix& basis) const {
    FlattenedCosine small = *this;
    small.m_ = basis.transpose() * m_;
    return small;
  }
  double value(const Matrix& x) const {
    const double norm = std::sqrt((x * g_).cwiseProduct(x).sum());
    return norm > 0.0 && target_ > 0.0 ? x.cwiseProduct(m_).sum() / (norm * target_) : 0.0;
  }

  Matrix gradient(const Matrix& x) const {
    const Matrix xg = x * g_;
    const double square = xg.cwiseProduct(x).sum();
    if (square <= 0.0 || target_ <= 0.0) return Matrix::Zero(x.rows(), x.cols());
    const double both = std::sqrt(square) * target_;
    const double cosine = x.cwiseProduct(m_).sum() / both;
    return cosine / square * xg - m_ / both;
  }

 private:
  Matrix m_;
  Matrix g_;
  double target_;  // |T|
};

/// The same for the mean over columns.
class ColumnCosine {
 public:
  explicit ColumnCosine(const Problem& problem)
      : problem_(problem),
        squares_(((problem.left.transpose() * problem.left) * problem.right)
                     .cwiseProduct(problem.right)
                     .colwise()
                     .sum()) {}

  Matrix gradient(const Matrix& x) const {
    const Matrix& a = problem_.first;
    const Matrix inner = (x.transpose() * problem_.left) * problem_.right;  // X^T T
    const Matrix gram = (x.transpose() * x) * a;
    const auto columns = static_cast<double>(a.cols());
    Eigen::VectorXd pull = Eigen::VectorXd::Zero(a.cols());
    Eigen::VectorXd shrink = Eigen::VectorXd::Zero(a.cols());
    for (Eigen::Index j = 0; j < a.cols(); ++j) {
      const double square = a.col(j).dot(gram.col(j));
      if (square <= 0.0 || squares_(j) <= 0.0) continue;
      const double both = std::sqrt(square * squares_(j));
      pull(j) = 1.0 / (both * columns);
      shrink(j) = a.col(j).dot(inner.col(j)) / (both * square * columns);
    }
    return x * (a * shrink.asDiagonal() * a.transpose()) -
           problem_.left * (problem_.right * pull.asDiagonal() * a.transpose());
  }

 private:
  const Problem& problem_;
  Eigen::RowVectorXd squares_;  // |T_j|^2
};

class LoraFair : public lora::LoraStrategy {
 public:
  explicit LoraFair(const LoraFairConfig& config) : LoraStrategy(config.lora), config_(config) {
    if (config.solver != "closed_form") return;
    if (config.cosine != "flattened")
      throw user_error("strategy.cosine: solver closed_form takes squares and no cosine; leave it out");
    if (config.init != "zeros")
      throw user_error("strategy.init: solver closed_form starts nowhere; leave it out");
  }

  void start(ServerState& state, const PopulationInfo& population) const override {
    LoraStrategy::start(state, population);
    // As two halves, since a double does not hold all integers of 64 bits.
    state.scalars["seed_high"] = static_cast<double>(population.seed >> 32U);
    state.scalars["seed_low"] = static_cast<double>(population.seed & 0xffffffffU);
  }

 protected:
  bool needs_updates() const override { return true; }

  lora::Metrics aggregate(ServerState& state, const ParameterVector& before,
                          const std::vector<lora::ClientFactors>& clients, WindowId window) const override {
    const std::vector<lora::Pair> pairs = lora::pairs_of(before.layout());
    double cosine = 0.0;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const Problem problem = problem_of(clients, i);
      const Matrix second = problem.second + correction(problem, state, window, i);
      cosine += FlattenedCosine(problem).value(second) / static_cast<double>(pairs.size());
      lora::write({problem.first, second}, state.model.values(), pairs[i]);
    }
    return {{"cosine", cosine}};
  }

 private:
  static Problem problem_of(const std::vector<lora::ClientFactors>& clients, std::size_t pair) {
    const Eigen::Index r = clients.front().pairs[pair].a.rows();
    const auto count = static_cast<Eigen::Index>(clients.size());
    const auto [first, second] = lora::padded_mean(clients, pair, r, lora::shares_of(clients));
    Problem problem{Matrix(second.rows(), count * r), Matrix(count * r, first.cols()), first, second};
    for (Eigen::Index k = 0; k < count; ++k) {
      const lora::ClientFactors& client = clients[static_cast<std::size_t>(k)];
      problem.left.middleCols(k * r, r) = client.share * client.pairs[pair].b;
      problem.right.middleRows(k * r, r) = client.pairs[pair].a;
    }
    return problem;
  }

  Matrix correction(const Problem& problem, const ServerState& state, WindowId window,
                    std::size_t layer) const {
    if (config_.solver == "closed_form") return closed_form(problem);
    const Matrix start = first_correction(problem, state, window, layer);
    if (config_.cosine == "columns") return descend(problem.second, ColumnCosine(problem), start);
    // Every step lies in the span of B, M and the start: 3 r directions instead of O.
    const FlattenedCosine similarity(problem);
    const Matrix basis = basis_of(problem.second, similarity.m(), start);
    return basis *
           descend(basis.transpose() * problem.second, similarity.within(basis), basis.transpose() * start);
  }

  static Matrix basis_of(const Matrix& one, const Matrix& two, const Matrix& three) {
    Eigen::MatrixXd all(one.rows(), one.cols() + two.cols() + three.cols());
    all << one, two, three;
    const Eigen::Index q = std::min(all.rows(), all.cols());
    return Eigen::HouseholderQR<Eigen::MatrixXd>(all).householderQ() *
           Eigen::MatrixXd::Identity(all.rows(), q);
  }

  template <class Similarity>
  Matrix descend(const Matrix& second, const Similarity& similarity, Matrix correction) const {
    for (std::int64_t step = 0; step < config_.steps; ++step)
      correction -=
          config_.lr * (similarity.gradient(second + correction) + 2.0 * config_.lambda * correction);
    return correction;
  }

  Matrix closed_form(const Problem& problem) const {
    const Matrix g = problem.g();
    const Matrix system = g + config_.lambda * Matrix::Identity(g.rows(), g.cols());
    const Matrix residual = problem.m() - problem.second * g;
    // Symmetric; the decomposition with pivots also takes a singular one (lambda 0, A of lower rank).
    return system.completeOrthogonalDecomposition().solve(residual.transpose()).transpose();
  }

  Matrix first_correction(const Problem& problem, const ServerState& state, WindowId window,
                          std::size_t layer) const {
    Matrix start = Matrix::Zero(problem.second.rows(), problem.second.cols());
    if (config_.init == "zeros") return start;
    const auto seed = (static_cast<std::uint64_t>(state.scalars.at("seed_high")) << 32U) |
                      static_cast<std::uint64_t>(state.scalars.at("seed_low"));
    Random random(seed, Stream::strategy, window, static_cast<std::uint32_t>(layer));
    const double limit = std::sqrt(6.0 / static_cast<double>(start.rows() + start.cols()));
    for (Eigen::Index i = 0; i < start.size(); ++i) start.data()[i] = random.uniform(-limit, limit);
    return start;
  }

  LoraFairConfig config_;
};

const RegisterAlgorithm<LoraFairConfig, LoraFair> kLoraFair{
    {"lora_fair", "averages both LoRA factors and corrects the second towards the mean of the products",
     "Bian, Wang, Zhang, Xu: LoRA-FAIR: Federated LoRA Fine-Tuning with Aggregation and Initialization "
     "Refinement, "
     "ICCV 2025"}};

}  // namespace
}  // namespace fedloom
