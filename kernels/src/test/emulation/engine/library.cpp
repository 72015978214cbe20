#include "library.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>

extern "C" void* __tls_get_addr(size_t* moduleAndOffset);

namespace emulation {

struct Library {
    void* handle = nullptr;
    Region image;
    size_t tlsModule = 0, tlsBytes = 0;
    std::map<std::string, Kernel> kernels;
};

namespace {

// Libraries stay loaded: a launch that is still queued may use a kernel of an earlier one.
std::map<std::string, Library> libraries;
Library* loading = nullptr;
Library* current = nullptr;

// Finds the memory of the library whose load address is given.
int readSegments(dl_phdr_info* info, size_t, void* argument) {
    auto& library = *static_cast<Library*>(argument);
    auto* map = static_cast<link_map*>(library.handle);
    if (info->dlpi_addr != map->l_addr) {
        return 0;
    }
    uintptr_t low = UINTPTR_MAX, high = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const auto& segment = info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment.p_vaddr;
        if (segment.p_type == PT_LOAD) {
            low = std::min(low, start);
            high = std::max(high, start + segment.p_memsz);
        } else if (segment.p_type == PT_TLS) {
            library.tlsModule = info->dlpi_tls_modid;
            library.tlsBytes = segment.p_memsz;
        }
    }
    library.image = {low, high - low};
    return 1;
}

}  // namespace

void registerKernel(const char* name, AnyFunction function, Invoke invoke, const Parameter* parameters, size_t count,
                    size_t parameterBytes, unsigned maxThreads) {
    Kernel kernel{loading, name, function, invoke, {parameters, parameters + count}, parameterBytes, maxThreads};
    loading->kernels.emplace(name, std::move(kernel));
}

std::optional<std::string> loadKernels(const std::string& path) {
    auto [entry, isNew] = libraries.try_emplace(path);
    if (isNew) {
        loading = &entry->second;
        entry->second.handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
        loading = nullptr;
        if (entry->second.handle == nullptr) {
            libraries.erase(entry);
            return dlerror();
        }
        dl_iterate_phdr(readSegments, &entry->second);
    }
    current = &entry->second;
    return std::nullopt;
}

std::optional<std::string> loadDefaultKernels() {
    if (current != nullptr) {
        return std::nullopt;
    }
    Dl_info self;
    dladdr(reinterpret_cast<void*>(&loadDefaultKernels), &self);
    std::string path = self.dli_fname;
    return loadKernels(path.substr(0, path.rfind('/') + 1) + "libkernels.so");
}

void forgetChosenKernels() { current = nullptr; }

const Kernel* findKernel(const std::string& name) {
    auto found = current->kernels.find(name);
    return found == current->kernels.end() ? nullptr : &found->second;
}

Region findGlobal(const char* name) {
    void* address = dlsym(current->handle, name);
    Dl_info info;
    ElfW(Sym)* symbol = nullptr;
    if (address == nullptr || dladdr1(address, &info, reinterpret_cast<void**>(&symbol), RTLD_DL_SYMENT) == 0
        || symbol == nullptr || !current->image.contains(reinterpret_cast<uintptr_t>(address), symbol->st_size)) {
        return {};
    }
    return {reinterpret_cast<uintptr_t>(address), symbol->st_size};
}

bool isInImage(uintptr_t address, size_t bytes) {
    return std::any_of(libraries.begin(), libraries.end(),
                       [&](const auto& entry) { return isInImage(entry.second, address, bytes); });
}

bool isInImage(const Library& library, uintptr_t address, size_t bytes) {
    return library.image.contains(address, bytes);
}

Region staticShared(const Library& library) {
    if (library.tlsBytes == 0) {
        return {};
    }
    size_t moduleAndOffset[2] = {library.tlsModule, 0};
    return {reinterpret_cast<uintptr_t>(__tls_get_addr(moduleAndOffset)), library.tlsBytes};
}

}  // namespace emulation
