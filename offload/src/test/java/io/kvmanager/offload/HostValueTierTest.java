package io.kvmanager.offload;

import io.kvmanager.spi.Device;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.spi.ValueTierProvider;
import io.kvmanager.testing.ValueTierContract;

class HostValueTierTest extends ValueTierContract {
    @Override
    protected Device openDevice() {
        return ProviderSelection.device("host:plain");
    }

    @Override
    protected ValueTierProvider provider() {
        return new HostValueTierProvider();
    }
}
