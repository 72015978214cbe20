package io.kvmanager.offload;

import io.kvmanager.testing.TileResidencyContract;

class HostVectorResidencyTest extends TileResidencyContract {
    @Override
    protected String device() {
        return "host:vector";
    }
}
