// Two stages, tuning and main, each a list of children; in between the choice.
#include "experiments/sweep/sweep.hpp"

#include <algorithm>
#include <filesystem>

#include "core/error.hpp"
#include "core/file.hpp"
#include "edge/stop_signal.hpp"
#include "experiments/experiment_file.hpp"
#include "experiments/run_folder.hpp"
#include "experiments/signals.hpp"
#include "experiments/sweep/child_runs.hpp"
#include "experiments/sweep/past_run.hpp"
#include "experiments/sweep/sweep_console.hpp"
#include "experiments/sweep/sweep_results.hpp"

namespace fedloom {

namespace {

namespace fs = std::filesystem;

constexpr int kFailedCode = 1;
constexpr int kInterruptedCode = 130;

struct Job {
  PlannedRun run;
  ExperimentConfig config;
  PastRun past = PastRun::none;
};

class Sweep {
 public:
  explicit Sweep(const SweepOptions& options);

  int print_plan();
  int run();

 private:
  std::string choose_folder() const;
  void select();
  std::vector<Job> open_jobs(const std::vector<PlannedRun>& runs, bool selected);
  std::vector<Job> tuning_jobs();
  std::vector<Job> main_jobs();
  void choose_all();
  bool stage(const std::string& what, const std::vector<Job>& jobs);
  ChildRun child_of(const Job& job) const;
  void ended(const Job& job, const ChildEnd& end);
  void write() const;

  SweepOptions options_;
  SweepPlan plan_;
  std::string folder_;
  SweepResults results_;
  std::vector<bool> selected_;  // by variant
  SweepConsole console_;
  int interrupts_ = -1;
};

Sweep::Sweep(const SweepOptions& options)
    : options_(options),
      plan_(read_sweep_file(options.file, options.overrides)),
      folder_(choose_folder()),
      results_(plan_, folder_) {
  select();
}

std::string Sweep::choose_folder() const {
  const std::string folder = options_.out.empty() ? "runs/" + plan_.file().name : options_.out;
  if (fs::exists(folder + "/events.jsonl"))
    throw user_error("{}: holds a single run, not a sweep; give another --out", folder);
  return folder;
}

void Sweep::select() {
  selected_.assign(plan_.variants().size(), options_.only.empty());
  for (const std::string& name : options_.only)
    for (const std::size_t variant : plan_.find(name)) selected_[variant] = true;
}

// What is left to do of these runs. Finished ones are read, of variants that are not selected too: the table
// has all that is known.
std::vector<Job> Sweep::open_jobs(const std::vector<PlannedRun>& runs, bool selected) {
  std::vector<Job> jobs;
  for (const PlannedRun& run : runs) {
    Job job{run, plan_.experiment(run)};
    try {
      job.past = past_run(results_.folder_of(run), job.config);
    } catch (const UserError&) {
      if (selected) throw;
      continue;
    }
    if (job.past == PastRun::finished)
      results_.add(run, job.config);
    else if (selected)
      jobs.push_back(std::move(job));
  }
  return jobs;
}

std::vector<Job> Sweep::tuning_jobs() {
  std::vector<Job> jobs;
  for (std::size_t i = 0; i < plan_.variants().size(); ++i)
    for (Job& job : open_jobs(plan_.tuning_runs(i), selected_[i])) jobs.push_back(std::move(job));
  return jobs;
}

// Variants that are not tuned yet have none.
std::vector<Job> Sweep::main_jobs() {
  std::vector<Job> jobs;
  for (std::size_t i = 0; i < plan_.variants().size(); ++i) {
    if (plan_.file().tune && !results_.chosen(i)) continue;
    for (Job& job : open_jobs(plan_.main_runs(i, results_.chosen(i)), selected_[i]))
      jobs.push_back(std::move(job));
  }
  return jobs;
}

// A variant that is not selected is judged only when all of its tuning runs are there.
void Sweep::choose_all() {
  if (!plan_.file().tune) return;
  for (std::size_t i = 0; i < plan_.variants().size(); ++i) {
    const std::vector<PlannedRun> runs = plan_.tuning_runs(i);
    const bool all =
        std::all_of(runs.begin(), runs.end(), [&](const PlannedRun& run) { return results_.has(run); });
    if (!all && !selected_[i]) continue;
    const std::string& name = plan_.variants()[i].name;
    if (const std::optional<std::size_t> choice = results_.choose(i))
      console_.note(fmt::format("tuned {}: {}", name, plan_.candidates()[*choice].name));
    else
      console_.failed_beside(name, "no candidate of its tuning has a figure to go by");
  }
}

int Sweep::print_plan() {
  const auto state = [](PastRun past) { return past == PastRun::interrupted ? "goes on" : "new"; };
  fmt::print("{}\n", plan_text(plan_, folder_));
  const std::vector<Job> tuning = tuning_jobs();
  const bool tuned = tuning.empty();
  for (const Job& job : tuning) fmt::print("  {}  ({})\n", job.run.folder, state(job.past));
  if (tuned) choose_all();
  const std::vector<Job> main = tuned ? main_jobs() : std::vector<Job>();
  for (const Job& job : main) fmt::print("  {}  ({})\n", job.run.folder, state(job.past));
  for (std::size_t i = 0; !tuned && i < plan_.variants().size(); ++i)
    for (const PlannedRun& run : plan_.main_runs(i, std::nullopt))
      if (selected_[i]) fmt::print("  {}  (after tuning)\n", run.folder);
  if (tuned && main.empty()) fmt::print("  nothing is left to run\n");
  return 0;
}

ChildRun Sweep::child_of(const Job& job) const {
  const std::string folder = results_.folder_of(job.run);
  fs::create_directories(folder);
  write_file_atomically(folder + "/experiment.yaml", resolved_yaml(job.config), false);
  ChildRun child;
  child.arguments = {"run",        folder + "/experiment.yaml", "--out",  folder,
                     "--data-dir", options_.data_dir,           "--quiet"};
  if (job.past == PastRun::interrupted) child.arguments.emplace_back("--resume");
  child.output = folder + "/output.txt";
  child.share_cores = job.config.runtime.workers == 0;
  return child;
}

void Sweep::write() const {
  try {
    results_.write();
  } catch (const UserError& error) {
    console_.note(error.what());  // the runs are worth more than their table
  }
}

void Sweep::ended(const Job& job, const ChildEnd& end) {
  const std::string folder = results_.folder_of(job.run);
  if (!end.good || !fs::exists(folder + "/summary.json")) {
    console_.failed(job.run.folder, why_it_ended(end.how, folder + "/output.txt"));
    return;
  }
  try {
    console_.finished(job.run.folder, results_.add(job.run, job.config));
  } catch (const UserError& error) {
    console_.failed(job.run.folder, error.what());
  }
  if (!job.run.tuning) write();
}

bool Sweep::stage(const std::string& what, const std::vector<Job>& jobs) {
  const std::uint64_t parallel = options_.parallel > 0 ? options_.parallel : plan_.file().parallel;
  std::vector<ChildRun> children;
  for (const Job& job : jobs) children.push_back(child_of(job));
  console_.begin(what, jobs.size());
  bool stopped = false;
  return run_children(
      children, parallel, interrupts_,
      [&](const ChildEnd& end) {
        if (end.good || !stopped) ended(jobs[end.child], end);
      },
      [&](std::size_t running) {
        stopped = true;
        console_.note(fmt::format(
            "stopping: {} at work will finish the round and write a checkpoint; Ctrl-C again kills",
            running == 1 ? "the run" : fmt::format("the {} runs", running)));
      });
}

int Sweep::run() {
  RunFolder lock(folder_);
  std::vector<Job> tuning = tuning_jobs();
  if (tuning.empty()) choose_all();
  if (tuning.empty()) (void)main_jobs();  // may refuse
  lock.begin(false);
  interrupts_ = listen_by_descriptor();
  fmt::print(stderr, "{}\n", plan_text(plan_, folder_));
  bool whole = tuning.empty() || stage("tuning", tuning);
  if (whole && !tuning.empty()) choose_all();
  if (whole) whole = stage("main", main_jobs());
  write();
  fmt::print("{}\n{}/sweep.csv\n", sweep_text(results_.table()), folder_);
  if (fs::exists(folder_ + "/report.html")) fmt::print("{}/report.html\n", folder_);
  console_.print_failures();
  if (!whole) {
    console_.note("stopped; the same command goes on where it was");
    return kInterruptedCode;
  }
  return console_.any_failed() ? kFailedCode : 0;
}

}  // namespace

int run_sweep(const SweepOptions& options) {
  Sweep sweep(options);
  return options.dry_run ? sweep.print_plan() : sweep.run();
}

}  // namespace fedloom
