package io.kvmanager.kernels.cuda;

import static jcuda.driver.JCudaDriver.cuModuleGetFunction;
import static jcuda.driver.JCudaDriver.cuModuleLoadData;
import static jcuda.driver.JCudaDriver.cuModuleUnload;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;

/** The kernels in the jar's PTX. A module is loaded when the first of its kernels is asked for. */
final class KernelModules implements AutoCloseable {
    private final CudaContext context;
    private final Map<String, CUmodule> modules = new HashMap<>();

    KernelModules(CudaContext context) {
        this.context = context;
    }

    /** A kernel of {@code module}.ptx. */
    CUfunction function(String module, String name) {
        CUmodule loaded = modules.get(module);
        if (loaded == null) {
            loaded = new CUmodule();
            context.check(cuModuleLoadData(loaded, text(module)), "cuModuleLoadData of " + module + ".ptx");
            modules.put(module, loaded);
        }
        CUfunction function = new CUfunction();
        context.check(cuModuleGetFunction(function, loaded, name), "cuModuleGetFunction of " + name);
        return function;
    }

    /** The text with the NUL behind it that the driver looks for. */
    private static byte[] text(String module) {
        try (InputStream resource = KernelModules.class.getResourceAsStream(module + ".ptx")) {
            if (resource == null) {
                throw new IllegalStateException(module + ".ptx is not in the jar");
            }
            byte[] text = resource.readAllBytes();
            return Arrays.copyOf(text, text.length + 1);
        } catch (IOException e) {
            throw new UncheckedIOException(module + ".ptx cannot be read", e);
        }
    }

    @Override
    public void close() {
        for (CUmodule module : modules.values()) {
            CudaContext.ignore(cuModuleUnload(module), "cuModuleUnload");
        }
        modules.clear();
    }
}
