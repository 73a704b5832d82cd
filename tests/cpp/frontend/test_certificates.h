// Certificates made for one test run: authorities, and the PEM files that they sign.
//
// Threads: compatible. Owns: a folder of its own, removed with it.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "base/check.h"
#include "frontend/tls_transport.h"

namespace tritonpy {

// A key and the certificate for it.
struct Identity {
    OpenSslPtr<EVP_PKEY> key;
    OpenSslPtr<X509> certificate;
};

// An identity called `name`, signed by `issuer`, or by itself when there is none.
inline Identity make_identity(const std::string& name, const Identity* issuer = nullptr) {
    constexpr long kDay = 24 * 60 * 60;
    static long serial = 0;
    Identity made{OpenSslPtr<EVP_PKEY>(EVP_EC_gen("P-256")), OpenSslPtr<X509>(X509_new())};
    X509* const certificate = made.certificate.get();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -kDay);
    X509_gmtime_adj(X509_getm_notAfter(certificate), kDay);
    X509_set_pubkey(certificate, made.key.get());
    X509_NAME* const subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    const Identity& signer = issuer == nullptr ? made : *issuer;
    X509_set_issuer_name(certificate, X509_get_subject_name(signer.certificate.get()));
    if (issuer == nullptr) {
        X509_EXTENSION* const authority = X509V3_EXT_conf_nid(
            nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE");
        X509_add_ext(certificate, authority, -1);
        X509_EXTENSION_free(authority);
    }
    TRITONPY_CHECK(X509_sign(certificate, signer.key.get(), EVP_sha256()) != 0);
    return made;
}

class PemFolder {
  public:
    PemFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "pem-XXXXXX").string();
        TRITONPY_CHECK(mkdtemp(pattern.data()) != nullptr);
        folder_ = pattern;
    }
    ~PemFolder() { std::filesystem::remove_all(folder_); }
    PemFolder(const PemFolder&) = delete;
    PemFolder& operator=(const PemFolder&) = delete;

    std::string path(const std::string& name) const { return folder_ / name; }

    // Each writes a file (over what was there) and returns its path.
    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(path(name), std::ios::binary) << text;
        return path(name);
    }
    std::string write_certificate(const std::string& name, const Identity& identity) const {
        return write_with(name, [&](FILE* file) {
            return PEM_write_X509(file, identity.certificate.get());
        });
    }
    // Encrypted, when there is a password.
    std::string write_key(const std::string& name, const Identity& identity,
                          std::string password = "") const {
        return write_with(name, [&](FILE* file) {
            return PEM_write_PrivateKey(
                file, identity.key.get(), password.empty() ? nullptr : EVP_aes_128_cbc(),
                password.empty() ? nullptr : reinterpret_cast<unsigned char*>(password.data()),
                static_cast<int>(password.size()), nullptr, nullptr);
        });
    }

  private:
    template <typename Write>
    std::string write_with(const std::string& name, Write write_into) const {
        FILE* const file = std::fopen(path(name).c_str(), "wb");
        TRITONPY_CHECK(file != nullptr && write_into(file) == 1);
        std::fclose(file);
        return path(name);
    }

    std::filesystem::path folder_;
};

}  // namespace tritonpy
