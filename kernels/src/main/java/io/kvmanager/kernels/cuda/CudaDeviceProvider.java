package io.kvmanager.kernels.cuda;

import io.kvmanager.CacheGeometry;
import io.kvmanager.KvCacheException;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceProvider;
import io.kvmanager.spi.Usability;

/**
 * GPUs through the CUDA driver. Arguments, joined by a comma:
 *
 * <pre>
 * N          number of the device as the driver counts; 0 if not given
 * sync       wait for every launch, so that a failure names its kernel
 * copies=W   how blocks go between the tiers: single, batch, kernel, or best, which is what is done if not given
 * </pre>
 */
public final class CudaDeviceProvider implements DeviceProvider {
    private static final int BELOW_HOST = -1;

    /** For {@link java.util.ServiceLoader}. */
    public CudaDeviceProvider() {}

    @Override
    public String name() {
        return "cuda";
    }

    @Override
    public int priority() {
        return BELOW_HOST;
    }

    @Override
    public Usability probe() {
        return DriverProbe.result();
    }

    @Override
    public long scratchBytes(CacheGeometry geometry, int tokens) {
        return KernelLayout.scratchBytes(geometry, tokens);
    }

    @Override
    public Device open(String argument) {
        CudaArgument parsed = CudaArgument.parse(argument);
        if (probe() instanceof Usability.Unusable unusable) {
            throw new KvCacheException.ProviderUnusable("device cuda cannot be used here: " + unusable.reason());
        }
        if (parsed.ordinal() >= DriverProbe.devices()) {
            throw new KvCacheException.ProviderUnusable("device 'cuda:" + parsed.ordinal()
                    + "' is not here; accepted: cuda:0 to cuda:" + (DriverProbe.devices() - 1));
        }
        return CudaDevice.open(parsed);
    }
}
