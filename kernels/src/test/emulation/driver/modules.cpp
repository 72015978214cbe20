// Modules, functions and launches. The image of a module is not executed: it must be PTX that has the entry, and the
// code is what g++ made of the same source (engine/library.h).
#include <cstdio>
#include <cstring>
#include <vector>

#include "../engine/access_check.h"
#include "../engine/launch.h"
#include "../engine/library.h"
#include "streams.h"

namespace emulation {

namespace {

constexpr unsigned DEFAULT_SHARED_BYTES = 48 << 10;

struct Function {
    const Kernel* kernel;
    // What cuFuncSetAttribute allowed.
    unsigned maxSharedBytes = DEFAULT_SHARED_BYTES;
};

struct Module {
    std::string image;
    std::map<std::string, std::shared_ptr<Function>> functions;
};

Objects<Module> modules;

Function* findFunction(Handle handle) {
    for (const auto& [moduleHandle, module] : modules.all()) {
        for (const auto& [name, function] : module->functions) {
            if (function.get() == handle) {
                return function.get();
            }
        }
    }
    return nullptr;
}

// Whether PTX text declares an entry or a variable of that name.
bool declares(const std::string& ptx, const std::string& keyword, const std::string& name) {
    for (size_t at = ptx.find(keyword); at != std::string::npos; at = ptx.find(keyword, at + 1)) {
        size_t end = ptx.find_first_of("(;{=\n", at);
        std::string declaration = ptx.substr(at, end - at);
        size_t start = declaration.find(name);
        while (start != std::string::npos) {
            auto isNamePart = [&](size_t i) {
                if (i >= declaration.size()) {
                    return false;
                }
                return isalnum(declaration[i]) != 0 || declaration[i] == '_' || declaration[i] == '$';
            };
            if (!isNamePart(start - 1) && !isNamePart(start + name.size())) {
                return true;
            }
            start = declaration.find(name, start + 1);
        }
    }
    return false;
}

bool isPtx(const std::string& image) {
    return image.find(".version") != std::string::npos && image.find(".target") != std::string::npos;
}

void run(const Kernel& kernel, const LaunchShape& shape, const std::vector<char>& arguments) {
    driver.launches++;
    if (CUresult injected = strike("launch"); injected != SUCCESS) {
        failContext(injected, "cuda emulation: kernel " + kernel.name + ": the failure that a test asked for");
        return;
    }
    // Another order for every launch, the same ones in every run.
    uint64_t seed = driver.options.seed * 1'000'003 + static_cast<uint64_t>(driver.launches);
    seed = driver.options.seed == 0 ? 0 : seed;
    LaunchFailure failure = runLaunch(kernel, shape, arguments.data(), seed);
    if (failure.code != 0) {
        failContext(failure.code, failure.line);
    }
}

bool isShapeAllowed(const LaunchShape& shape, const Function& function) {
    constexpr unsigned MAX_GRID_X = 0x7fffffff, MAX_GRID_YZ = 65535, MAX_BLOCK_Z = 64;
    const uint3& grid = shape.grid;
    const uint3& block = shape.block;
    bool gridFits = grid.x >= 1 && grid.x <= MAX_GRID_X && grid.y >= 1 && grid.y <= MAX_GRID_YZ && grid.z >= 1
                    && grid.z <= MAX_GRID_YZ;
    bool blockFits = block.x >= 1 && block.y >= 1 && block.z >= 1 && block.z <= MAX_BLOCK_Z
                     && static_cast<unsigned long long>(block.x) * block.y * block.z <= function.kernel->maxThreads;
    return gridFits && blockFits && shape.sharedBytes <= function.maxSharedBytes;
}

// Collects the arguments from either form in which the driver takes them; false if there are none.
bool collectArguments(const Kernel& kernel, void** pointers, void** extra, std::vector<char>& arguments) {
    arguments.resize(kernel.parameterBytes);
    if (pointers != nullptr) {
        for (size_t i = 0; i < kernel.parameters.size(); i++) {
            const Parameter& parameter = kernel.parameters[i];
            memcpy(arguments.data() + parameter.offset, pointers[i], parameter.bytes);
        }
        return true;
    }
    if (extra == nullptr) {
        return kernel.parameters.empty();
    }
    constexpr uintptr_t END = 0, BUFFER_POINTER = 1, BUFFER_BYTES = 2;
    const void* buffer = nullptr;
    size_t bytes = 0;
    for (; reinterpret_cast<uintptr_t>(*extra) != END; extra += 2) {
        uintptr_t key = reinterpret_cast<uintptr_t>(*extra);
        buffer = key == BUFFER_POINTER ? extra[1] : buffer;
        bytes = key == BUFFER_BYTES ? *static_cast<size_t*>(extra[1]) : bytes;
    }
    if (buffer == nullptr || bytes < kernel.parameterBytes) {
        return false;
    }
    memcpy(arguments.data(), buffer, kernel.parameterBytes);
    return true;
}

}  // namespace

void discardModules() { modules.clear(); }
size_t liveModules() { return modules.count(); }

}  // namespace emulation

using namespace emulation;

namespace {

// CUfunction_attribute
constexpr int MAX_THREADS_PER_BLOCK = 0, MAX_DYNAMIC_SHARED_BYTES = 8;

}  // namespace

extern "C" {

CUresult cuModuleLoadData(Handle* handle, const void* image) {
    return call(Needs::Context, [&] {
        if (CUresult refused = refuseWhileCapturing(); refused != SUCCESS) {
            return refused;
        }
        if (CUresult injected = strike("module"); injected != SUCCESS) {
            return injected;
        }
        auto module = std::make_shared<Module>();
        module->image = static_cast<const char*>(image);
        if (!isPtx(module->image)) {
            return CUresult(INVALID_IMAGE);
        }
        if (auto failure = loadDefaultKernels(); failure.has_value()) {
            fprintf(stderr, "cuda emulation: %s\n", failure->c_str());
            return CUresult(INVALID_IMAGE);
        }
        *handle = modules.add(std::move(module));
        return CUresult(SUCCESS);
    });
}

CUresult cuModuleLoadDataEx(Handle* handle, const void* image, unsigned, int*, void**) {
    return cuModuleLoadData(handle, image);
}

CUresult cuModuleUnload(Handle handle) {
    return call(Needs::Context, [&] {
        if (modules.find(handle) == nullptr) {
            return CUresult(INVALID_HANDLE);
        }
        hostWaitsForAll();
        modules.remove(handle);
        return driver.stickyResult;
    });
}

CUresult cuModuleGetFunction(Handle* handle, Handle moduleHandle, const char* name) {
    return call(Needs::Context, [&] {
        std::shared_ptr<Module> module = modules.find(moduleHandle);
        if (module == nullptr) {
            return CUresult(INVALID_HANDLE);
        }
        const Kernel* kernel = findKernel(name);
        if (kernel == nullptr || !declares(module->image, ".entry", name)) {
            return CUresult(NOT_FOUND);
        }
        std::shared_ptr<Function>& function = module->functions[name];
        if (function == nullptr) {
            function = std::make_shared<Function>(Function{kernel});
        }
        *handle = function.get();
        return CUresult(SUCCESS);
    });
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr* pointer, size_t* bytes, Handle moduleHandle, const char* name) {
    return call(Needs::Context, [&] {
        std::shared_ptr<Module> module = modules.find(moduleHandle);
        if (module == nullptr) {
            return CUresult(INVALID_HANDLE);
        }
        Region variable = findGlobal(name);
        bool isDeclared = declares(module->image, ".global", name) || declares(module->image, ".const", name);
        if (variable.bytes == 0 || !isDeclared) {
            return CUresult(NOT_FOUND);
        }
        if (pointer != nullptr) {
            *pointer = variable.start;
        }
        if (bytes != nullptr) {
            *bytes = variable.bytes;
        }
        return CUresult(SUCCESS);
    });
}

CUresult cuFuncGetAttribute(int* value, int attribute, Handle handle) {
    return call(Needs::Context, [&] {
        Function* function = findFunction(handle);
        if (function == nullptr) {
            return CUresult(INVALID_HANDLE);
        }
        *value = attribute == MAX_THREADS_PER_BLOCK      ? static_cast<int>(function->kernel->maxThreads)
                 : attribute == MAX_DYNAMIC_SHARED_BYTES ? static_cast<int>(function->maxSharedBytes)
                                                         : 0;
        return CUresult(SUCCESS);
    });
}

CUresult cuFuncSetAttribute(Handle handle, int attribute, int value) {
    return call(Needs::Context, [&] {
        Function* function = findFunction(handle);
        if (function == nullptr) {
            return CUresult(INVALID_HANDLE);
        }
        if (attribute == MAX_DYNAMIC_SHARED_BYTES) {
            if (value < 0 || static_cast<size_t>(value) > MAX_SHARED_BYTES) {
                return CUresult(INVALID_VALUE);
            }
            function->maxSharedBytes = static_cast<unsigned>(value);
        }
        return CUresult(SUCCESS);
    });
}

CUresult cuLaunchKernel(Handle handle, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,
                        unsigned blockZ, unsigned sharedBytes, Handle streamHandle, void** pointers, void** extra) {
    return call(Needs::Context, [&] {
        Function* function = findFunction(handle);
        std::shared_ptr<Stream> stream = findStream(streamHandle);
        if (function == nullptr || stream == nullptr) {
            return CUresult(INVALID_HANDLE);
        }
        LaunchShape shape{{gridX, gridY, gridZ}, {blockX, blockY, blockZ}, sharedBytes};
        const Kernel& kernel = *function->kernel;
        std::vector<char> arguments;
        if (!isShapeAllowed(shape, *function) || !collectArguments(kernel, pointers, extra, arguments)) {
            return CUresult(INVALID_VALUE);
        }
        return submit(stream, [&kernel, shape, arguments = std::move(arguments)] { run(kernel, shape, arguments); });
    });
}

}  // extern "C"
