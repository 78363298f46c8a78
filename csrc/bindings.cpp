/*
 * bindings.cpp - the Python module tsad_edge._core: models, from a library or built in, and detectors on numpy arrays.
 *
 * Repeats no detector logic: it checks arrays, gives memory, releases the GIL and turns status into exceptions.
 * One file, as each pybind11 file costs ten seconds of compiling.
 */
extern "C" {
#include "columns.h"
}
#include "crew.hpp"
#include "tsad.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace py = pybind11;

/* Of the model that is built in, by target/library.c. */
extern "C" tsad_model_get_fn tsad_model_get;
extern "C" tsad_config_get_fn tsad_config_get;

namespace {

/* Raises what fits: the caller's data is a ValueError, a model that cannot be used a RuntimeError. */
void check(int status, const std::string &where) {
    if (status >= 0)
        return;
    const std::string text = where + ": " + tsad_status_text(status);
    if (status == TSAD_ERR_ARG || status == TSAD_ERR_INPUT || status == TSAD_ERR_TIME)
        throw py::value_error(text);
    if (status == TSAD_ERR_ABI || status == TSAD_ERR_CRC)
        throw std::runtime_error(text + "; convert the model again");
    throw std::runtime_error(text);
}

/* ---------------------------------------------------------------- models */

/* A model and what keeps it in memory: its library stays open as long as anything points into it. */
struct Model {
    std::shared_ptr<void> library; /* null: built in */
    const tsad_model *model;
    const tsad_config *config;
    std::string where;
};

template <typename Function> Function *symbol(const Model &m, const char *name) {
    void *found = dlsym(m.library.get(), name);
    if (found == nullptr)
        throw std::runtime_error(m.where + ": has no function " + name + ", so it is not a model library of tsad-edge");
    return reinterpret_cast<Function *>(found);
}

void check_abi(const Model &m) {
    if (m.model->abi != TSAD_MODEL_ABI)
        throw std::runtime_error(m.where + ": was made for model ABI " + std::to_string(m.model->abi) +
                                 ", this tsad-edge reads " + std::to_string(TSAD_MODEL_ABI) +
                                 "; convert the model again");
}

/* What a library's functions give, or those of the model that is built in. */
void take_model(Model &m, tsad_model_get_fn *model_get, tsad_config_get_fn *config_get,
                const std::optional<std::string> &isa) {
    m.model = model_get(isa ? isa->c_str() : nullptr);
    if (m.model == nullptr) {
        const char *const forced = std::getenv(TSAD_ISA_VARIABLE);
        const std::string from = isa || forced == nullptr ? "" : std::string(", which " TSAD_ISA_VARIABLE " names,");
        throw py::value_error(m.where + ": has no model for the instruction set '" +
                              isa.value_or(forced != nullptr ? forced : "of this machine") + "'" + from +
                              " that this machine can run; 'generic' always can");
    }
    check_abi(m);
    m.config = config_get();
}

std::shared_ptr<Model> open_model(const std::filesystem::path &path, const std::optional<std::string> &isa) {
    auto m = std::make_shared<Model>();
    /* Absolute, so that the loader takes this file and does not search. */
    m->where = std::filesystem::absolute(path).string();
    if (!std::filesystem::is_regular_file(path))
        throw py::value_error(m->where + ": is not a file; `tsad convert` makes model libraries");
    void *handle = dlopen(m->where.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr)
        throw std::runtime_error(m->where + ": cannot be opened as a library: " + dlerror());
    m->library = std::shared_ptr<void>(handle, dlclose);
    take_model(*m, symbol<tsad_model_get_fn>(*m, TSAD_MODEL_GET), symbol<tsad_config_get_fn>(*m, TSAD_CONFIG_GET), isa);
    return m;
}

std::shared_ptr<Model> reference(const std::optional<std::string> &isa) {
    auto m = std::make_shared<Model>();
    m->where = "the built-in model";
    take_model(*m, tsad_model_get, tsad_config_get, isa);
    return m;
}

/* Read-only views of the weights where they are; each keeps the model alive. */
py::list weights(const std::shared_ptr<Model> &m) {
    py::list found;
    for (std::uint32_t a = 0; a < m->model->weight_arrays; a++) {
        const tsad_span &span = m->model->weights[a];
        const char *type = span.width == 4 ? "f4" : span.width == 2 ? "i2" : "i1";
        py::array view(py::dtype(type), {static_cast<py::ssize_t>(span.count)}, {}, span.data, py::cast(m));
        view.attr("flags").attr("writeable") = false;
        found.append(py::make_tuple(span.name, view));
    }
    return found;
}

/* In the order of a sample's values, or None. */
std::optional<std::vector<std::string>> channel_names(const Model &m) {
    const char *const *names = m.model->channel_names;
    if (names == nullptr)
        return std::nullopt;
    return std::vector<std::string>(names, names + m.model->channels);
}

/* ---------------------------------------------------------------- arrays */

template <typename T> const T *data_of(const py::array &a) { return static_cast<const T *>(a.data()); }

template <typename T> void want(const py::array &a, const char *name, const char *type) {
    const bool contiguous = (a.flags() & py::array::c_style) != 0;
    const bool aligned = (a.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
    if (!py::isinstance<py::array_t<T>>(a) || !contiguous || !aligned)
        throw py::value_error(std::string(name) + ": must be a C-contiguous, aligned array of " + type + ", got " +
                              std::string(py::str(a.dtype())) + (contiguous ? "" : ", not contiguous") +
                              (aligned ? "" : ", not aligned") + "; convert it with np.require(" + name + ", np." +
                              type + ", 'CA')");
}

std::string shape_of(const py::array &a) {
    std::string text = "(";
    for (py::ssize_t i = 0; i < a.ndim(); i++)
        text += std::to_string(a.shape(i)) + (i + 1 < a.ndim() ? ", " : a.ndim() == 1 ? ",)" : ")");
    return a.ndim() == 0 ? "()" : text;
}

/* Packed, as its numpy type is: one row of an array of events. */
py::dtype event_type() {
    py::list fields;
    const char *const names[] = {"id", "start", "end", "peak", "peak_t", "top"};
    const char *const types[] = {"i8", "i8", "i8", "f4", "i8", "i4"};
    for (int i = 0; i < 6; i++)
        fields.append(py::make_tuple(names[i], types[i]));
    return py::dtype::from_args(fields);
}

py::array events_array(const std::vector<tsad_event> &events) {
    py::array rows(event_type(), std::vector<py::ssize_t>{static_cast<py::ssize_t>(events.size())});
    auto *to = static_cast<unsigned char *>(rows.mutable_data());
    const auto put = [&to](const void *from, std::size_t size) {
        std::memcpy(to, from, size);
        to += size;
    };
    for (const tsad_event &e : events) {
        put(&e.id, 8);
        put(&e.start, 8);
        put(&e.end, 8);
        put(&e.peak, 4);
        put(&e.peak_t, 8);
        put(&e.top, 4);
    }
    return rows;
}

/* ---------------------------------------------------------------- rows of text */

/* What the edge binary's reader finds wrong: a program says it, here it goes into an exception. */
thread_local std::string complaint;

/* Lines of a CSV, one at a time, as the edge binary reads them. */
class Rows {
  public:
    Rows(std::shared_ptr<Model> model, std::string name, std::optional<std::string> time)
        : model_(std::move(model)), name_(std::move(name)), time_(std::move(time)) {
        t_.name = name_.c_str();
    }
    ~Rows() { table_free(&t_); }
    Rows(const Rows &) = delete;
    Rows &operator=(const Rows &) = delete;

    py::object take(const std::string &line, std::int64_t index) {
        if (is_blank(line)) {
            t_.csv.line++;
            return py::none();
        }
        const std::unique_ptr<std::FILE, int (*)(std::FILE *)> text(
            fmemopen(const_cast<char *>(line.data()), line.size(), "rb"), std::fclose);
        if (text == nullptr)
            throw std::bad_alloc();
        t_.csv.file = text.get();
        int pending = 1;
        if (t_.roles == nullptr)
            accept(table_columns(&t_, model_->model, time_ ? time_->c_str() : nullptr, &pending));
        else if (csv_next(&t_.csv) != CSV_ROW)
            accept(table_bad_line(&t_));
        if (!pending)
            return py::none();
        py::array_t<float> sample(static_cast<py::ssize_t>(model_->model->channels));
        accept(table_row(&t_, &index, sample.mutable_data()));
        return py::make_tuple(index, sample);
    }

    std::size_t line() const { return t_.csv.line; }
    void set_line(std::size_t line) { t_.csv.line = line; }
    bool timed() const { return std::find(t_.roles, t_.roles + t_.columns, COLUMN_TIME) != t_.roles + t_.columns; }

  private:
    static bool is_blank(const std::string &line) {
        std::size_t end = line.size();
        end -= end > 0 && line[end - 1] == '\n';
        end -= end > 0 && line[end - 1] == '\r';
        return line.find_first_not_of(" \t") >= end;
    }

    static void accept(int code) {
        if (code != 0)
            throw py::value_error(complaint);
    }

    std::shared_ptr<Model> model_;
    std::string name_;
    std::optional<std::string> time_;
    table t_{};
};

/* ---------------------------------------------------------------- detectors */

/* The sections guard and events of detector.json over those of a config; `arrays` keeps what it points to. */
class Rules {
  public:
    Rules(tsad_config &config, const py::dict &guard, const py::dict &events, std::uint32_t channels)
        : channels_(channels) {
        tsad_guard_config &g = config.guard;
        g = {};
        g.not_finite = policy(guard, "not_finite");
        g.out_of_range = policy(guard, "out_of_range");
        g.stuck = policy(guard, "stuck");
        g.jump = policy(guard, "jump");
        g.gap = policy(guard, "gap");
        g.step_back = policy(guard, "step_back");
        g.hold_most = number<std::uint16_t>(guard, "hold_most");
        g.gap_most = number<std::uint64_t>(guard, "gap_most");
        g.low = numbers(guard, "low", floats_[0]);
        g.high = numbers(guard, "high", floats_[1]);
        g.jump_most = numbers(guard, "jump_most", floats_[2]);
        g.stuck_from = numbers(guard, "stuck_from", counts_);
        tsad_event_config &e = config.events;
        e.smoothing = number<float>(events, "smoothing");
        e.hysteresis = number<float>(events, "hysteresis");
        e.min_on = number<std::uint32_t>(events, "min_on");
        e.refractory = number<std::uint32_t>(events, "refractory");
        e.records = number<std::uint32_t>(events, "records");
    }

  private:
    static std::uint8_t policy(const py::dict &from, const char *kind) {
        static const std::map<std::string, std::uint8_t> known = {{"ignore", TSAD_OFF},
                                                                  {"refuse", TSAD_OFF},
                                                                  {"mark", TSAD_MARK},
                                                                  {"hold", TSAD_HOLD},
                                                                  {"reset", TSAD_RESET}};
        const auto word = from.contains(kind) ? from[kind].cast<std::string>() : "ignore";
        const auto found = known.find(word);
        if (found == known.end())
            throw py::value_error(std::string("guard.") + kind + ": is '" + word +
                                  "'; it must be ignore, refuse, mark, hold or reset");
        return found->second;
    }

    template <typename T> static T number(const py::dict &from, const char *name) {
        return from.contains(name) ? from[name].cast<T>() : T{};
    }

    template <typename T> const T *numbers(const py::dict &from, const char *name, std::vector<T> &place) {
        if (!from.contains(name))
            return nullptr;
        place = from[name].cast<std::vector<T>>();
        if (place.size() != channels_)
            throw py::value_error(std::string("guard.") + name + ": has " + std::to_string(place.size()) +
                                  " values for " + std::to_string(channels_) + " channels");
        return place.data();
    }

    std::uint32_t channels_;
    std::vector<float> floats_[3];
    std::vector<std::uint32_t> counts_;
};

/* Windows that a model should get at once: the more, the fewer times it reads its weights, but what it computes is to
 * stay near. */
std::size_t near_windows(const tsad_model &m) {
    const std::size_t near = 1 << 20, fit = near / std::max<std::size_t>(m.arena_window, 1);
    return std::clamp<std::size_t>(fit, 32, 64);
}

/*
 * A detector and its memory. It has one past, so it is for one thread at a time; calls from several take turns, which
 * keeps memory whole but leaves the order of samples to the caller.
 */
class Detector {
  public:
    Detector(std::shared_ptr<Model> model, std::optional<float> threshold, const std::optional<std::size_t> &windows,
             const std::optional<py::dict> &guard, const std::optional<py::dict> &events, std::size_t threads)
        : model_(std::move(model)) {
        tsad_config config;
        check(tsad_config_copy(&config, model_->config), model_->where);
        if (guard || events)
            rules_ = std::make_unique<Rules>(config, guard.value_or(py::dict()), events.value_or(py::dict()),
                                             model_->model->channels);
        if (threshold)
            config.spot = {}; /* a threshold that is given stays */
        config.threshold = threshold.value_or(config.threshold);
        if (threads < 1 || threads > 256)
            throw py::value_error("threads: " + std::to_string(threads) + " are not possible; 1 to 256 are");
        if (threads > 1)
            crew_ = std::make_unique<Crew>(*model_->model, threads);
        const tsad_model *const used = crew_ ? crew_->model() : model_->model;
        const std::size_t wanted = windows.value_or(near_windows(*model_->model));
        const std::size_t batch = crew_ ? std::max(wanted, crew_->batch()) : wanted;
        const std::size_t size = tsad_memory_size(used, &config, batch);
        if (size == 0)
            throw py::value_error("batch: " + std::to_string(batch) + " windows at once are not possible; try 32");
        if (std::isnan(config.threshold))
            throw py::value_error("threshold: is not a number");
        memory_.resize((size + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t));
        check(tsad_init(&d_, used, &config, memory_.data(), size), model_->where);
        if (crew_)
            crew_->adopt(d_);
    }

    py::array_t<float> score(const py::array &samples) {
        const auto n = rows_of(samples);
        py::array_t<float> scores(static_cast<py::ssize_t>(n));
        const float *from = data_of<float>(samples);
        float *to = scores.mutable_data();
        int status;
        {
            const py::gil_scoped_release release;
            const std::lock_guard<std::mutex> turn(turn_);
            status = tsad_score(&d_, from, n, to);
        }
        check(status, "score");
        return scores;
    }

    py::tuple run(const py::array &samples, const std::optional<py::array> &t, bool finish) {
        const auto n = rows_of(samples);
        const std::int64_t *times = t ? times_of(*t, n) : nullptr;
        py::array_t<float> scores(static_cast<py::ssize_t>(n));
        py::array_t<bool> alarms(static_cast<py::ssize_t>(n));
        py::array_t<std::uint8_t> qualities(static_cast<py::ssize_t>(n));
        const float *from = data_of<float>(samples);
        float *score = scores.mutable_data();
        bool *alarm = alarms.mutable_data();
        std::uint8_t *quality = qualities.mutable_data();
        std::vector<tsad_event> events;
        std::size_t i = 0;
        int status = TSAD_OK;
        std::string after;
        {
            const py::gil_scoped_release release;
            const std::lock_guard<std::mutex> turn(turn_);
            const std::uint64_t first = soonest();
            for (; i < n; i++, from += model_->model->channels) {
                tsad_result r;
                status = tsad_step(&d_, times != nullptr ? static_cast<std::uint64_t>(times[i]) : first + i, from, &r);
                if (status < 0 && status != TSAD_ERR_INPUT)
                    break;
                if (status == TSAD_ERR_INPUT)
                    r = {0, std::numeric_limits<float>::quiet_NaN(), 0, TSAD_EVENT_NONE, TSAD_NOT_FINITE, 0};
                score[i] = r.score;
                alarm[i] = r.alarm != 0;
                quality[i] = static_cast<std::uint8_t>(r.quality);
                if (r.event == TSAD_EVENT_ENDED)
                    events.push_back(d_.record);
            }
            if (i < n)
                after = std::to_string(soonest() - 1);
            else if (finish && tsad_finish(&d_))
                events.push_back(d_.record);
        }
        if (i < n) /* only for given times: the row index always increases */
            check(status, "t[" + std::to_string(i) + "] = " + std::to_string(times[i]) + ", after " + after);
        return py::make_tuple(scores, alarms, events_array(events), qualities);
    }

    py::tuple step(std::int64_t t, const py::array &sample) {
        want<float>(sample, "sample", "float32");
        if (sample.size() != static_cast<py::ssize_t>(model_->model->channels))
            throw py::value_error("sample: must have " + std::to_string(model_->model->channels) +
                                  " values, got shape " + shape_of(sample));
        const std::uint64_t time = time_of(t, "t");
        const std::lock_guard<std::mutex> turn(turn_);
        tsad_result r;
        const int status = tsad_step(&d_, time, data_of<float>(sample), &r);
        check(status, "step at t = " + std::to_string(t));
        return py::make_tuple(status, r.score, r.alarm != 0, r.event, r.quality, r.window_quality);
    }

    py::tuple decide(std::int64_t t, float score, const std::optional<py::array> &parts) {
        if (parts) {
            want<float>(*parts, "parts", "float32");
            if (parts->size() != static_cast<py::ssize_t>(model_->model->channels))
                throw py::value_error("parts: must have " + std::to_string(model_->model->channels) +
                                      " values, got shape " + shape_of(*parts));
        }
        const std::uint64_t time = time_of(t, "t");
        const std::lock_guard<std::mutex> turn(turn_);
        tsad_result r;
        const int status = tsad_decide(&d_, time, score, parts ? data_of<float>(*parts) : nullptr, &r);
        check(status, "decide at t = " + std::to_string(t));
        return py::make_tuple(status, r.score, r.alarm != 0, r.event, r.quality, r.window_quality);
    }

    py::object finish() {
        const std::lock_guard<std::mutex> turn(turn_);
        return tsad_finish(&d_) ? record() : py::none();
    }

    py::object event() {
        const std::lock_guard<std::mutex> turn(turn_);
        return d_.record.id > 0 ? record() : py::none();
    }

    /* Events that ended and were not handed out yet, and how many of those there were are lost. */
    py::tuple ended() {
        const std::lock_guard<std::mutex> turn(turn_);
        std::vector<tsad_event> events;
        for (tsad_event e; tsad_next_event(&d_, &e) != 0;)
            events.push_back(e);
        return py::make_tuple(events_array(events), d_.records_lost);
    }

    void reset() {
        const std::lock_guard<std::mutex> turn(turn_);
        tsad_reset(&d_);
    }

    py::object interrupt() {
        const std::lock_guard<std::mutex> turn(turn_);
        return tsad_interrupt(&d_) ? record() : py::none();
    }

    /* The same past gives the same bytes. */
    py::bytes snapshot() {
        const std::lock_guard<std::mutex> turn(turn_);
        tsad past;
        std::memcpy(&past, &d_, sizeof past);
        put_constants(past, nothing);
        std::string image(reinterpret_cast<const char *>(&past), sizeof past);
        image.append(reinterpret_cast<const char *>(memory_.data()), memory_.size() * sizeof memory_[0]);
        if (crew_) { /* where it lies is not of the past */
            const auto *const memory = reinterpret_cast<const unsigned char *>(memory_.data());
            std::memset(&image[sizeof past + static_cast<std::size_t>(d_.arena - memory)], 0, sizeof(Crew *));
        }
        return image;
    }

    /* All or nothing; an image that a step would leave its memory with is refused. */
    void restore(const std::string &image) {
        const std::size_t size = memory_.size() * sizeof memory_[0];
        if (image.size() != sizeof(tsad) + size)
            throw py::value_error("image: has " + std::to_string(image.size()) + " bytes, a detector of " +
                                  model_->model->name + " has " + std::to_string(sizeof(tsad) + size));
        const std::lock_guard<std::mutex> turn(turn_);
        const auto memory = memory_;
        tsad past;
        std::memcpy(&past, image.data(), sizeof past);
        put_constants(past, d_);
        std::memcpy(memory_.data(), image.data() + sizeof past, size);
        if (!can_be(past)) {
            memory_ = memory;
            throw py::value_error("image: is damaged, or of another detector than one of " +
                                  std::string(model_->model->name));
        }
        d_ = past;
        if (crew_)
            crew_->adopt(d_);
    }

    /*
     * Learns scaler and threshold anew from samples that are declared normal, as many as it takes; returns the largest
     * shift and its channel, the largest stretch and its channel.
     */
    py::tuple learn(const py::array &samples) {
        const auto n = rows_of(samples);
        const float *from = data_of<float>(samples);
        int status = TSAD_WARMING_UP;
        bool too_few;
        can_learn();
        {
            const py::gil_scoped_release release;
            const std::lock_guard<std::mutex> turn(turn_);
            tsad_baseline_begin(&d_);
            for (std::size_t i = 0; i < n && (status == TSAD_WARMING_UP || status == TSAD_ERR_INPUT); i++)
                status = tsad_baseline_sample(&d_, from + i * model_->model->channels);
            too_few = status == TSAD_WARMING_UP || status == TSAD_ERR_INPUT;
            if (status != TSAD_ERR_BASELINE) /* which has ended it */
                status = tsad_baseline_finish(&d_);
        }
        const tsad_baseline_config &c = d_.config.baseline;
        const tsad_learning *l = d_.learning;
        if (too_few)
            throw py::value_error("samples: " + std::to_string(n) + " are too few; " + std::to_string(c.samples) +
                                  " give the scaler, and " + std::to_string(c.samples + model_->model->window - 1) +
                                  " more a threshold");
        if (status != TSAD_OK)
            throw py::value_error("samples: refused, the baseline stays: the threshold would be " +
                                  std::to_string(l->threshold) + ", the largest shift is " + std::to_string(l->shift) +
                                  " deviations (channel " + std::to_string(l->shifted) + "), the largest stretch " +
                                  std::to_string(l->stretch) + " (channel " + std::to_string(l->stretched) +
                                  "); allowed are " + std::to_string(c.least) + " to " + std::to_string(c.most) + ", " +
                                  std::to_string(c.shift) + " and " + std::to_string(c.stretch));
        return py::make_tuple(l->shift, l->shifted, l->stretch, l->stretched);
    }

    std::size_t baseline_size() const { return TSAD_BASELINE_IMAGE(model_->model->channels); }

    void load_baseline(const py::bytes &slots) {
        const Slots s(slots, baseline_size());
        can_learn();
        const std::lock_guard<std::mutex> turn(turn_);
        check(tsad_baseline_load(&d_, s.at), "slots");
    }

    py::tuple save_baseline(const py::bytes &slots) {
        const Slots s(slots, baseline_size());
        std::vector<unsigned char> image(baseline_size());
        int slot = 0;
        can_learn();
        const std::lock_guard<std::mutex> turn(turn_);
        check(tsad_baseline_save(&d_, s.at, image.data(), &slot), "slots");
        return py::make_tuple(py::bytes(reinterpret_cast<const char *>(image.data()), image.size()), slot);
    }

    py::tuple roll_back(const py::bytes &slots) {
        const Slots s(slots, baseline_size());
        std::vector<unsigned char> image(baseline_size());
        int slot = 0;
        can_learn();
        const std::lock_guard<std::mutex> turn(turn_);
        check(tsad_baseline_rollback(&d_, s.at, image.data(), &slot), "slots");
        return py::make_tuple(py::bytes(reinterpret_cast<const char *>(image.data()), image.size()), slot);
    }

    float threshold() {
        const std::lock_guard<std::mutex> turn(turn_);
        return d_.threshold;
    }
    std::size_t batch() const { return d_.batch; }
    std::uint64_t taken() {
        const std::lock_guard<std::mutex> turn(turn_);
        return d_.taken;
    }
    std::shared_ptr<Model> model() const { return model_; }

  private:
    /* Two images, one after the other. */
    struct Slots {
        Slots(const py::bytes &slots, std::size_t size) : bytes(slots) {
            if (bytes.size() != 2 * size)
                throw py::value_error("slots: must be " + std::to_string(2 * size) + " bytes, got " +
                                      std::to_string(bytes.size()));
            at[0] = reinterpret_cast<const unsigned char *>(bytes.data());
            at[1] = at[0] + size;
        }
        std::string bytes;
        const unsigned char *at[2];
    };

    static const tsad nothing;

    /* What tsad_init decides, and no step changes. */
    static void put_constants(tsad &to, const tsad &from) {
        to.model = from.model;
        to.config = from.config;
        to.table = from.table;
        to.slots = from.slots;
        to.state = from.state;
        to.arena = from.arena;
        to.parts = from.parts;
        to.batch = from.batch;
        to.looks = from.looks;
        to.holds = from.holds;
        to.resets = from.resets;
        to.last = from.last;
        to.same = from.same;
        to.held = from.held;
        to.peaks = from.peaks;
        to.records = from.records;
        to.learning = from.learning;
        to.own_table = from.own_table;
        to.other_table = from.other_table;
    }

    /* Whatever is an index lies within what it indexes. */
    static bool can_be(const tsad &d) {
        const tsad_model &m = *d.model;
        const bool windows = m.state_size == 0 || (m.in_bulk != 0 && d.batch > 1);
        const std::uint64_t room = windows ? m.window + d.batch - 1 : 1;
        const std::uint64_t least = windows ? std::min<std::uint64_t>(d.in_row, m.window) : 0;
        const std::uint32_t records = d.config.events.records;
        const auto is_top = [&m](std::int32_t top) { return top >= -1 && top < static_cast<std::int64_t>(m.channels); };
        return d.used >= least && d.used <= room && d.behind <= (windows ? d.in_row : 0) && is_top(d.run.top) &&
               is_top(d.record.top) && d.records_used <= records && d.records_first < std::max(records, 1u) &&
               (d.peaks == nullptr || d.peaks->next < TSAD_SPOT_PEAKS);
    }

    void can_learn() const {
        if (d_.learning == nullptr)
            throw py::value_error("the baseline of " + std::string(model_->model->name) +
                                  " cannot be learnt anew: train.baseline.samples was 0");
    }

    std::size_t rows_of(const py::array &samples) const {
        want<float>(samples, "samples", "float32");
        if (samples.ndim() != 2 || samples.shape(1) != static_cast<py::ssize_t>(model_->model->channels))
            throw py::value_error("samples: must have shape (n, " + std::to_string(model_->model->channels) +
                                  "), one column a channel of " + model_->model->name + ", got " + shape_of(samples));
        return static_cast<std::size_t>(samples.shape(0));
    }

    static const std::int64_t *times_of(const py::array &t, std::size_t n) {
        want<std::int64_t>(t, "t", "int64");
        if (t.ndim() != 1 || static_cast<std::size_t>(t.shape(0)) != n)
            throw py::value_error("t: must have one time a sample, " + std::to_string(n) + ", got shape " +
                                  shape_of(t));
        const std::int64_t *times = data_of<std::int64_t>(t);
        const std::int64_t *negative = std::find_if(times, times + n, [](std::int64_t time) { return time < 0; });
        if (negative != times + n)
            time_of(*negative, ("t[" + std::to_string(negative - times) + "]").c_str());
        return times;
    }

    static std::uint64_t time_of(std::int64_t t, const char *name) {
        if (t < 0)
            throw py::value_error(std::string(name) + " = " + std::to_string(t) + ": is negative; times count from 0");
        return static_cast<std::uint64_t>(t);
    }

    /* The first time that the next step may have. */
    std::uint64_t soonest() const { return d_.timed ? d_.last_t + 1 : 0; }

    py::object record() const { return events_array({d_.record})[py::int_(0)]; }

    std::shared_ptr<Model> model_;
    std::vector<std::uint64_t> memory_; /* aligned to TSAD_ALIGN */
    std::unique_ptr<Rules> rules_;      /* the config's own arrays, where it has any */
    std::unique_ptr<Crew> crew_;        /* of more threads than one */
    std::mutex turn_;
    tsad d_{};
};

const tsad Detector::nothing{};

} // namespace

/* fail.h is not included: its macro has the name of a method of every C++ stream. */
extern "C" void fail_says(const char *format, ...) {
    std::va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    complaint.resize(static_cast<std::size_t>(std::vsnprintf(nullptr, 0, format, again)));
    std::vsnprintf(complaint.data(), complaint.size() + 1, format, arguments);
    va_end(again);
    va_end(arguments);
}

PYBIND11_MODULE(_core, module) {
    static_assert(alignof(std::uint64_t) % TSAD_ALIGN == 0 || sizeof(std::uint64_t) >= TSAD_ALIGN,
                  "memory of 64-bit words is aligned for a detector");
    module.doc() = "The compiled detector. Use it through tsad_edge.Detector, which takes any array and says more.";
    module.attr("version") = TSAD_VERSION;
    module.attr("abi") = TSAD_MODEL_ABI;
    module.attr("event_dtype") = event_type();

    py::class_<Model, std::shared_ptr<Model>>(module, "Model", "A converted model: constant, may be shared by threads.")
        .def(
            py::init(&open_model), py::arg("path"), py::arg("isa") = py::none(),
            "Open a model library. ValueError: no such file or instruction set; RuntimeError: not a usable library.\n\n"
            "`isa` is generic, avx2 or avx512; without it that of the environment variable TSAD_ISA, or else the\n"
            "fastest that this machine runs.\n\n"
            "The system's loader knows libraries by their path: while anything holds a model of a file, opening the\n"
            "path again gives that model, even when the file has been replaced.")
        .def_property_readonly("name", [](const Model &m) { return m.model->name; })
        .def_property_readonly("id", [](const Model &m) { return m.model->id; })
        .def_property_readonly("isa", [](const Model &m) { return m.model->isa; })
        .def_property_readonly("layout", [](const Model &m) { return m.model->layout; })
        .def_property_readonly("channels", [](const Model &m) { return m.model->channels; })
        .def_property_readonly("channel_names", &channel_names, "Names of a sample's values, or None.")
        .def_property_readonly("window", [](const Model &m) { return m.model->window; })
        .def_property_readonly("parts", [](const Model &m) { return m.model->parts; })
        .def_property_readonly("crc", [](const Model &m) { return m.model->crc; })
        .def_property_readonly("slot_size", [](const Model &m) { return m.model->slot_size; })
        .def_property_readonly("threshold", [](const Model &m) { return m.config->threshold; })
        .def_property_readonly(
            "memory", [](const Model &m) { return tsad_memory_size(m.model, m.config, 1); },
            "Bytes a detector needs that scores one window at a time.")
        .def_property_readonly("weights", &weights, "(name, read-only 1-D array) of each array of constants.")
        .def(
            "check", [](const Model &m) { check(tsad_model_check(m.model), m.where); },
            "RuntimeError when the weights are not those that were generated.")
        .def("__repr__", [](const Model &m) { return "<tsad_edge._core.Model " + m.where + ">"; });

    module.def("reference", &reference, py::arg("isa") = py::none(),
               "The model that is built in: small, closed-form weights, for tests and examples.");

    py::class_<Rows>(module, "Rows", "A CSV as the edge binary reads it, given line by line.")
        .def(py::init<std::shared_ptr<Model>, std::string, std::optional<std::string>>(), py::arg("model").none(false),
             py::arg("name"), py::arg("time") = py::none(),
             "`name` is what messages call it, `time` the column of times, by default one of the usual names.")
        .def("take", &Rows::take, py::arg("line"), py::arg("index"),
             "(t, sample (C,) float32 with NaN where a value is missing) of a line of bytes; None for a header or a\n"
             "blank one. t is `index` where there is no time column. ValueError: names line and column.")
        .def_property("line", &Rows::line, &Rows::set_line, "Number of the last line, 1 for the first.")
        .def_property_readonly("timed", &Rows::timed, "There is a time column.");

    py::class_<Detector>(module, "Detector",
                         "A detector with a past of its own: for one thread at a time (calls of several take turns).")
        .def(py::init<std::shared_ptr<Model>, std::optional<float>, std::optional<std::size_t>, std::optional<py::dict>,
                      std::optional<py::dict>, std::size_t>(),
             py::arg("model").none(false), py::arg("threshold") = py::none(), py::arg("batch") = py::none(),
             py::arg("guard") = py::none(), py::arg("events") = py::none(), py::arg("threads") = 1,
             "`guard` and `events`, as in detector.json, instead of both of the model's own; what they leave out is "
             "off.\n\n"
             "`batch`: windows that `score` gives the model at once, by default 32 to 64; `threads`: so many share "
             "them, of\n"
             "a larger batch.")
        .def("score", &Detector::score, py::arg("samples"),
             "Scores (n,) of samples (n, C) float32; NaN while warming up and where a value is not finite.")
        .def("run", &Detector::run, py::arg("samples"), py::arg("t") = py::none(), py::arg("finish") = true,
             "Step through samples (n, C) at times t (n,) int64, by default the row index, and finish.\n\n"
             "A series may come in pieces; all but the last one are not to finish: an event may go on.\n"
             "Returns scores (n,), alarms (n,), the events that ended and qualities (n,). A time that is refused is a\n"
             "ValueError; the samples before it have been taken.")
        .def("step", &Detector::step, py::arg("t"), py::arg("sample"),
             "Take one sample: (status, score, alarm, event change, quality, window quality). A refused sample is a\n"
             "ValueError.")
        .def("decide", &Detector::decide, py::arg("t"), py::arg("score"), py::arg("parts") = py::none(),
             "The decision half of step, for a score that is already there.")
        .def("finish", &Detector::finish, "End the event that goes on: its record, or None.")
        .def("interrupt", &Detector::interrupt,
             "Samples are missing that t does not tell of: empty the window. The event that ended by it, or None.")
        .def("snapshot", &Detector::snapshot,
             "All that the detector knows of the past, for `restore` of a detector of the same model, batch, release\n"
             "and machine.")
        .def("restore", &Detector::restore, py::arg("image"),
             "Go on where a snapshot was taken, bit for bit. ValueError: it cannot be of such a detector.")
        .def(
            "ended", &Detector::ended,
            "Events of the ring that were not handed out yet, the oldest first, and how many are lost since the start.")
        .def("learn", &Detector::learn, py::arg("samples"),
             "Learn scaler and threshold anew from samples (n, C) that are declared normal: largest shift in "
             "deviations\n"
             "and its channel, largest stretch and its channel. Refused or too few: ValueError, and nothing changed.")
        .def_property_readonly("baseline_size", &Detector::baseline_size, "Bytes of a baseline's image.")
        .def("load_baseline", &Detector::load_baseline, py::arg("slots"),
             "Put the newest of two images into force. RuntimeError: there is none of this model.")
        .def("save_baseline", &Detector::save_baseline, py::arg("slots"),
             "The image of the baseline in force, and which of the two slots it belongs into.")
        .def("roll_back", &Detector::roll_back, py::arg("slots"),
             "Put the baseline before the newest into force: its image, and which slot it belongs into.")
        .def("reset", &Detector::reset, "Forget all samples and events.")
        .def_property_readonly("event", &Detector::event, "The event that goes on, or the last one, or None.")
        .def_property_readonly("threshold", &Detector::threshold)
        .def_property_readonly("batch", &Detector::batch)
        .def_property_readonly("taken", &Detector::taken)
        .def_property_readonly("model", &Detector::model);
}
