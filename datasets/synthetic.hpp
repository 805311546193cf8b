// Synthetic(alpha, beta): clients whose models and inputs both differ, made on the spot from the seed.
// T. Li, A. K. Sahu, M. Zaheer, M. Sanjabi, A. Talwalkar, V. Smith, "Federated Optimization in Heterogeneous
// Networks", MLSys 2020 (after O. Shamir, N. Srebro, T. Zhang, ICML 2014). Nothing is kept for a client, so a
// million of them cost nothing until they are asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/config.hpp"
#include "datasets/examples.hpp"

namespace fedloom {

/// Client k has u_k ~ N(0, alpha), v_k ~ N(0, beta) (deviations, as in the authors' code; their text calls
/// them variances), W_k (features, classes) and b_k (classes) ~ N(u_k, 1), m_k ~ N(v_k, 1), and examples x ~
/// N(m_k, diag(j^-1.2)), y = argmax(W_k^T x + b_k). Its size is floor(lognormal(size_mu, size_sigma)) +
/// min_size, at most max_size; 90 % of it train, the rest are its own test set.
struct SyntheticConfig {
  double alpha = 1.0;
  double beta = 1.0;
  bool iid = false;
  std::int64_t features = 60;
  std::int64_t classes = 10;
  double size_mu = 4.0;
  double size_sigma = 2.0;
  std::int64_t min_size = 50;
  std::int64_t max_size = 1000;
  double test_share = 0.1;
  std::int64_t test_examples = 10000;

  template <class Visitor>
  void visit(Visitor& v) {
    v("alpha", alpha, "how much models differ between clients; 0 is none", at_least(0));
    v("beta", beta, "how much inputs differ between clients; 0 is none", at_least(0));
    v("iid", iid, "one model and one input distribution for all clients");
    v("features", features, "numbers in one example", between(1, 100000));
    v("classes", classes, "number of classes", between(2, 10000));
    v("size_mu", size_mu, "client sizes: mean of the logarithm", between(-20, 20));
    v("size_sigma", size_sigma, "client sizes: deviation of the logarithm; 0 is equal sizes", between(0, 10));
    v("min_size", min_size, "client sizes: added to the log-normal part", between(1, 1e6));
    v("max_size", max_size, "client sizes: cap (the authors have none; it bounds the work of one client)",
      between(1, 1e8));
    v("test_share", test_share, "part of each client that is its own test set", between(0, 0.9));
    v("test_examples", test_examples,
      "the global test set: held-out examples of the first clients, up to this many", between(1, 1e7));
  }
};

/// argmax_c (sum_j weights[j, c] x[j] + bias[c]); the first of equals. weights: (features, classes).
std::int32_t linear_label(std::span<const float> weights, std::span<const float> bias,
                          std::span<const float> x);

/// The deviation of feature j = 0 .. d-1: (j + 1)^-0.6, the root of the published covariance.
std::vector<float> synthetic_deviations(std::int64_t features);

/// `validation`: share of each client's training data given up to the centre's validation set, which holds
/// those of the first clients up to test_examples.
std::shared_ptr<const FederatedData> make_synthetic(const SyntheticConfig& config, std::size_t clients,
                                                    double validation, std::uint64_t seed);

}  // namespace fedloom
