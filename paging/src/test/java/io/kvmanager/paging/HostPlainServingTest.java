package io.kvmanager.paging;

import io.kvmanager.testing.ServingContract;

class HostPlainServingTest extends ServingContract {
    @Override
    protected String device() {
        return "host:plain";
    }
}
