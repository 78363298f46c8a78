/*
 * bindings.cpp - the Python module tsad_edge._core: models, from a library or built in, and detectors on numpy arrays.
 *
 * Repeats no detector logic: it checks arrays, gives memory, releases the GIL and turns status into exceptions.
 * One file, as each pybind11 file costs ten seconds of compiling.
 */
#include "m_reference.h"
#include "tsad.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace py = pybind11;

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
    m->model = symbol<tsad_model_get_fn>(*m, TSAD_MODEL_GET)(isa ? isa->c_str() : nullptr);
    if (m->model == nullptr)
        throw py::value_error(m->where + ": has no model for the instruction set '" + isa.value_or("of this machine") +
                              "'");
    check_abi(*m);
    m->config = symbol<tsad_config_get_fn>(*m, TSAD_CONFIG_GET)();
    return m;
}

std::shared_ptr<Model> reference() {
    return std::make_shared<Model>(Model{nullptr, &m_reference, &m_reference_config, m_reference.name});
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

/* ---------------------------------------------------------------- detectors */

/*
 * A detector and its memory. It has one past, so it is for one thread at a time; calls from several take turns, which
 * keeps memory whole but leaves the order of samples to the caller.
 */
class Detector {
  public:
    Detector(std::shared_ptr<Model> model, std::optional<float> threshold, std::size_t batch)
        : model_(std::move(model)) {
        const std::size_t size = tsad_memory_size(model_->model, batch);
        if (size == 0)
            throw py::value_error("batch: " + std::to_string(batch) + " windows at once are not possible; try 256");
        tsad_config config;
        check(tsad_config_copy(&config, model_->config), model_->where);
        config.threshold = threshold.value_or(config.threshold);
        if (std::isnan(config.threshold))
            throw py::value_error("threshold: is not a number");
        memory_.resize((size + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t));
        check(tsad_init(&d_, model_->model, &config, memory_.data(), size), model_->where);
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
        const float *from = data_of<float>(samples);
        float *score = scores.mutable_data();
        bool *alarm = alarms.mutable_data();
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
                score[i] = status == TSAD_ERR_INPUT ? std::numeric_limits<float>::quiet_NaN() : r.score;
                alarm[i] = status == TSAD_OK && r.alarm != 0;
                if (status == TSAD_OK && r.event == TSAD_EVENT_ENDED)
                    events.push_back(d_.record);
            }
            if (i < n)
                after = std::to_string(soonest() - 1);
            else if (finish && tsad_finish(&d_))
                events.push_back(d_.record);
        }
        if (i < n) /* only for given times: the row index always increases */
            check(status, "t[" + std::to_string(i) + "] = " + std::to_string(times[i]) + ", after " + after);
        return py::make_tuple(scores, alarms, events_array(events));
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
        return py::make_tuple(status, r.score, r.alarm != 0, r.event);
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
        return py::make_tuple(status, r.score, r.alarm != 0, r.event);
    }

    py::object finish() {
        const std::lock_guard<std::mutex> turn(turn_);
        return tsad_finish(&d_) ? record() : py::none();
    }

    py::object event() {
        const std::lock_guard<std::mutex> turn(turn_);
        return d_.record.id > 0 ? record() : py::none();
    }

    void reset() {
        const std::lock_guard<std::mutex> turn(turn_);
        tsad_reset(&d_);
    }

    float threshold() const { return d_.config.threshold; }
    std::size_t batch() const { return d_.batch; }
    std::uint64_t taken() {
        const std::lock_guard<std::mutex> turn(turn_);
        return d_.taken;
    }
    std::shared_ptr<Model> model() const { return model_; }

  private:
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
    std::uint64_t soonest() const { return std::max(d_.timed ? d_.last_t + 1 : 0, d_.open ? d_.record.end + 1 : 0); }

    py::object record() const { return events_array({d_.record})[py::int_(0)]; }

    std::shared_ptr<Model> model_;
    std::vector<std::uint64_t> memory_; /* aligned to TSAD_ALIGN */
    std::mutex turn_;
    tsad d_{};
};

} // namespace

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
            "memory", [](const Model &m) { return tsad_memory_size(m.model, 1); },
            "Bytes a detector needs that scores one window at a time.")
        .def_property_readonly("weights", &weights, "(name, read-only 1-D array) of each array of constants.")
        .def(
            "check", [](const Model &m) { check(tsad_model_check(m.model), m.where); },
            "RuntimeError when the weights are not those that were generated.")
        .def("__repr__", [](const Model &m) { return "<tsad_edge._core.Model " + m.where + ">"; });

    module.def("reference", &reference,
               "The model that is built in: small, closed-form weights, for tests and examples.");

    py::class_<Detector>(module, "Detector",
                         "A detector with a past of its own: for one thread at a time (calls of several take turns).")
        .def(py::init<std::shared_ptr<Model>, std::optional<float>, std::size_t>(), py::arg("model").none(false),
             py::arg("threshold") = py::none(), py::arg("batch") = 256)
        .def("score", &Detector::score, py::arg("samples"),
             "Scores (n,) of samples (n, C) float32; NaN while warming up and where a value is not finite.")
        .def(
            "run", &Detector::run, py::arg("samples"), py::arg("t") = py::none(), py::arg("finish") = true,
            "Step through samples (n, C) at times t (n,) int64, by default the row index, and finish.\n\n"
            "A series may come in pieces; all but the last one are not to finish: an event may go on.\n"
            "Returns scores (n,), alarms (n,) and the events that ended. A time that does not increase is a ValueError;"
            "\nthe samples before it have been taken.")
        .def("step", &Detector::step, py::arg("t"), py::arg("sample"),
             "Take one sample: (status, score, alarm, event change). A refused sample is a ValueError.")
        .def("decide", &Detector::decide, py::arg("t"), py::arg("score"), py::arg("parts") = py::none(),
             "The decision half of step, for a score that is already there.")
        .def("finish", &Detector::finish, "End the event that goes on: its record, or None.")
        .def("reset", &Detector::reset, "Forget all samples and events.")
        .def_property_readonly("event", &Detector::event, "The event that goes on, or the last one, or None.")
        .def_property_readonly("threshold", &Detector::threshold)
        .def_property_readonly("batch", &Detector::batch)
        .def_property_readonly("taken", &Detector::taken)
        .def_property_readonly("model", &Detector::model);
}
