package io.kvmanager.paging;

import io.kvmanager.testing.KvCacheContract;

class HostVectorCacheTest extends KvCacheContract {
    @Override
    protected String device() {
        return "host:vector";
    }
}
