package io.kvmanager.bench;

import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceProvider;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.spi.Usability;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import org.jspecify.annotations.Nullable;

/**
 * The device {@code promptless:NAME}: the device NAME, but attention over prompts is not computed, so that a context of
 * any length costs no more than storing it. Never chosen by {@code auto}.
 */
public final class PromptlessDeviceProvider implements DeviceProvider {
    /** What such a device's name begins with. */
    static final String PREFIX = "promptless:";

    /** For {@link java.util.ServiceLoader}. */
    public PromptlessDeviceProvider() {}

    @Override
    public String name() {
        return "promptless";
    }

    @Override
    public int priority() {
        return Integer.MIN_VALUE;
    }

    @Override
    public Usability probe() {
        return new Usability.Usable("another device without attention over prompts; for kv bench decode");
    }

    @Override
    public Device open(String argument) {
        Device device = ProviderSelection.device(argument.isEmpty() ? ProviderSelection.AUTO : argument);
        return proxy(Device.class, (self, method, arguments) -> {
            Object result = call(device, method, arguments);
            return result instanceof AttentionKernels kernels ? promptless(kernels) : result;
        });
    }

    private static AttentionKernels promptless(AttentionKernels kernels) {
        return proxy(
                AttentionKernels.class,
                (self, method, arguments) ->
                        method.getName().equals("attendPrompt") ? null : call(kernels, method, arguments));
    }

    private static <T> T proxy(Class<T> type, InvocationHandler handler) {
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
    }

    private static @Nullable Object call(Object target, Method method, Object @Nullable [] arguments) throws Throwable {
        try {
            return method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getTargetException();
        }
    }
}
