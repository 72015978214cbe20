package io.kvmanager.paging;

import io.kvmanager.testing.CertificateContract;

class HostVectorCertificateTest extends CertificateContract {
    @Override
    protected String device() {
        return "host:vector";
    }
}
