package io.kvmanager.paging;

import io.kvmanager.testing.SuspensionContract;

class HostPlainSuspensionTest extends SuspensionContract {
    @Override
    protected String device() {
        return "host:plain";
    }
}
