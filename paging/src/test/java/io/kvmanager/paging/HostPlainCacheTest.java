package io.kvmanager.paging;

import io.kvmanager.testing.KvCacheContract;

class HostPlainCacheTest extends KvCacheContract {
    @Override
    protected String device() {
        return "host:plain";
    }
}
