package io.kvmanager.paging;

import io.kvmanager.testing.CertificateContract;

class HostPlainCertificateTest extends CertificateContract {
    @Override
    protected String device() {
        return "host:plain";
    }
}
