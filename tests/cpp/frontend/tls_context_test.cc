// Goal: files that cannot be used are named in the error and change nothing; who may connect, and
// with which protocol and version, is as the files and the port say.
// Method: certificates made with OpenSSL for the run, and a client that really shakes hands with a
// transport of the context.
#include "frontend/tls_context.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "frontend/loop_fixture.h"
#include "frontend/test_certificates.h"
#include "frontend/tls_test_client.h"

namespace tritonpy {
namespace {

class TlsContextTest : public ::testing::Test {
  protected:
    PemFolder folder;
    Identity authority = make_identity("authority");
    Identity server = make_identity("server", &authority);
    TlsFiles files{folder.write_certificate("server.pem", server),
                   folder.write_key("server.key", server), "", false};

    std::unique_ptr<TlsContext> make(const std::string& alpn = "h2") {
        auto made = TlsContext::make(files, alpn);
        EXPECT_TRUE(made.ok()) << made.status().message();
        return std::move(made).value();
    }
    std::string error_of(TlsFiles with) {
        const auto made = TlsContext::make(std::move(with), "h2");
        EXPECT_EQ(made.status().code(), StatusCode::kInvalidArg);
        return std::string(made.status().message());
    }

    // One client's handshake, driven to its end on both sides.
    struct Shaken {
        std::string client_error;
        IoResult::Outcome server_outcome;
        std::string version;
        std::string protocol;
        std::string server_name;
        bool resumed;
        std::shared_ptr<SSL_SESSION> session;
        bool connected() const {
            return client_error.empty() && server_outcome == IoResult::Outcome::kDone;
        }
    };
    Shaken shake_hands(TlsContext& context, const TlsClientOptions& options) {
        const SocketEnds ends = unix_sockets();
        auto transport = std::move(context.make_transport(ends.server)).value();
        TestClient socket(ends.client);
        TlsTestClient client(socket, options);
        std::array<std::byte, 100> space;
        client.start();
        IoResult result{IoResult::Outcome::kWantsRead};
        for (int step = 0; step < 20 && result.outcome == IoResult::Outcome::kWantsRead; ++step) {
            result = transport->read(space);
            client.pump();
            if (client.connected() && client.error().empty()) {
                client.send("x");
            }
        }
        if (result.outcome == IoResult::Outcome::kDone) {
            std::string answer = "y";
            const iovec piece{answer.data(), answer.size()};
            transport->write(std::span(&piece, 1));
        }
        client.take();
        client.close_notify();  // otherwise the session is not one to resume
        SSL& session = client.session();
        const unsigned char* protocol = nullptr;
        unsigned int size = 0;
        SSL_get0_alpn_selected(&session, &protocol, &size);
        return {client.error(), result.outcome, SSL_get_version(&session),
                std::string(reinterpret_cast<const char*>(protocol), size), peer_name(session),
                SSL_session_reused(&session) == 1,
                std::shared_ptr<SSL_SESSION>(SSL_get1_session(&session), SSL_SESSION_free)};
    }

  private:
    static std::string peer_name(SSL& session) {
        std::array<char, 256> name{};
        if (X509* const peer = SSL_get0_peer_certificate(&session)) {
            X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, name.data(),
                                      static_cast<int>(name.size()));
        }
        return name.data();
    }
};

TEST_F(TlsContextTest, file_that_cannot_be_read_is_named_with_the_reason) {
    const std::string missing = folder.path("missing.pem");
    const std::string text = "failed to read '" + missing + "': No such file or directory";
    EXPECT_EQ(error_of({missing, files.server_key, "", false}), text);
    EXPECT_EQ(error_of({files.server_cert, missing, "", false}), text);
    EXPECT_EQ(error_of({files.server_cert, files.server_key, missing, false}), text);
    EXPECT_EQ(error_of({folder.path(""), files.server_key, "", false}),
              "failed to read '" + folder.path("") + "': Is a directory");
}

TEST_F(TlsContextTest, file_that_cannot_be_used_is_named) {
    const std::string garbage = folder.write("garbage.pem", "not a certificate");
    const std::string text = "failed to set up TLS with '" + garbage + "'";
    EXPECT_EQ(error_of({garbage, files.server_key, "", false}), text);
    EXPECT_EQ(error_of({files.server_cert, garbage, "", false}), text);
    EXPECT_EQ(error_of({files.server_cert, files.server_key, garbage, true}), text);
    EXPECT_EQ(error_of({folder.write("empty.pem", ""), files.server_key, "", false}),
              "failed to set up TLS with '" + folder.path("empty.pem") + "'");
}

TEST_F(TlsContextTest, broken_certificate_behind_a_good_one_is_refused) {
    const std::string broken =
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::ofstream(files.server_cert, std::ios::app) << broken;
    EXPECT_EQ(error_of(files), "failed to set up TLS with '" + files.server_cert + "'");
}

TEST_F(TlsContextTest, key_of_another_certificate_is_refused) {
    const std::string key = folder.write_key("other.key", make_identity("other"));
    EXPECT_EQ(error_of({files.server_cert, key, "", false}),
              "failed to set up TLS with '" + key + "'");
}

TEST_F(TlsContextTest, encrypted_key_is_refused_without_asking) {
    const std::string key = folder.write_key("secret.key", server, "password");
    EXPECT_EQ(error_of({files.server_cert, key, "", false}),
              "failed to set up TLS with '" + key + "'");
}

TEST_F(TlsContextTest, mutual_without_root_certificates_is_refused) {
    EXPECT_EQ(error_of({files.server_cert, files.server_key, "", true}),
              "failed to read '': No such file or directory");
}

TEST_F(TlsContextTest, newest_version_is_chosen_and_old_ones_are_refused) {
    const auto context = make();
    EXPECT_EQ(shake_hands(*context, {}).version, "TLSv1.3");
    const Shaken older = shake_hands(*context, {"", nullptr, TLS1_2_VERSION, nullptr});
    EXPECT_TRUE(older.connected()) << older.client_error;
    EXPECT_EQ(older.version, "TLSv1.2");
    const Shaken oldest = shake_hands(*context, {"", nullptr, TLS1_1_VERSION, nullptr});
    EXPECT_FALSE(oldest.connected());
    EXPECT_EQ(oldest.server_outcome, IoResult::Outcome::kFailed);
}

TEST_F(TlsContextTest, alpn_must_offer_the_protocol_of_the_port) {
    const std::vector<std::pair<std::string, std::string>> ports{{"h2", "http/1.1"},
                                                                 {"http/1.1", "h2"}};
    for (const auto& [alpn, other] : ports) {
        const auto context = make(alpn);
        const std::string ours = static_cast<char>(alpn.size()) + alpn;
        const std::string theirs = static_cast<char>(other.size()) + other;
        const Shaken both = shake_hands(*context, {theirs + ours, nullptr, 0, nullptr});
        EXPECT_TRUE(both.connected()) << both.client_error;
        EXPECT_EQ(both.protocol, alpn);
        const Shaken none = shake_hands(*context, {});
        EXPECT_TRUE(none.connected()) << none.client_error;
        EXPECT_EQ(none.protocol, "");
        const Shaken wrong = shake_hands(*context, {theirs, nullptr, 0, nullptr});
        EXPECT_FALSE(wrong.connected());
        EXPECT_EQ(wrong.client_error, "tlsv1 alert no application protocol");
        EXPECT_EQ(wrong.server_outcome, IoResult::Outcome::kFailed);
    }
}

TEST_F(TlsContextTest, mutual_accepts_only_clients_that_the_root_has_signed) {
    files.root_cert = folder.write_certificate("root.pem", authority);
    files.mutual = true;
    const auto context = make();
    const Identity friendly = make_identity("client", &authority);
    const Identity stranger = make_identity("stranger");
    const Shaken known = shake_hands(*context, {"", &friendly, 0, nullptr});
    EXPECT_TRUE(known.connected()) << known.client_error;
    const Shaken unknown = shake_hands(*context, {"", &stranger, 0, nullptr});
    EXPECT_FALSE(unknown.connected());
    EXPECT_EQ(unknown.server_outcome, IoResult::Outcome::kFailed);
    const Shaken nobody = shake_hands(*context, {});
    EXPECT_FALSE(nobody.connected());
    EXPECT_EQ(nobody.server_outcome, IoResult::Outcome::kFailed);
}

TEST_F(TlsContextTest, root_certificates_without_mutual_ask_nobody) {
    files.root_cert = folder.write_certificate("root.pem", authority);
    const auto context = make();
    const Identity stranger = make_identity("stranger");
    EXPECT_TRUE(shake_hands(*context, {}).connected());
    EXPECT_TRUE(shake_hands(*context, {"", &stranger, 0, nullptr}).connected());
}

TEST_F(TlsContextTest, sessions_resume_also_where_clients_have_certificates) {
    const Identity friendly = make_identity("client", &authority);
    for (const bool mutual : {false, true}) {
        files.root_cert = folder.write_certificate("root.pem", authority);
        files.mutual = mutual;
        const auto context = make();
        for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
            const Shaken first = shake_hands(*context, {"", &friendly, version, nullptr});
            ASSERT_TRUE(first.connected()) << first.client_error;
            EXPECT_FALSE(first.resumed);
            const Shaken second =
                shake_hands(*context, {"", &friendly, version, first.session.get()});
            EXPECT_TRUE(second.connected()) << second.client_error;
            EXPECT_TRUE(second.resumed) << version;
        }
    }
}

TEST_F(TlsContextTest, whole_chain_is_sent) {
    const Identity below = make_identity("below", &server);
    folder.write_key("server.key", below);
    std::ifstream parent(folder.write_certificate("parent.pem", server));
    folder.write_certificate("server.pem", below);
    std::ofstream(files.server_cert, std::ios::app) << parent.rdbuf();
    const auto context = make();
    const SocketEnds ends = unix_sockets();
    auto transport = std::move(context->make_transport(ends.server)).value();
    TestClient socket(ends.client);
    TlsTestClient client(socket);
    client.start();
    std::array<std::byte, 100> space;
    for (int step = 0; step < 5 && !client.connected(); ++step) {
        EXPECT_EQ(transport->read(space).outcome, IoResult::Outcome::kWantsRead);
        client.pump();
    }
    EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(&client.session())), 2);
}

TEST_F(TlsContextTest, reload_is_for_new_connections_and_a_failed_one_changes_nothing) {
    const auto context = make();
    EXPECT_EQ(shake_hands(*context, {}).server_name, "server");
    folder.write_key("server.key", make_identity("unfitting"));
    EXPECT_EQ(context->reload().message(),
              "failed to set up TLS with '" + files.server_key + "'");
    EXPECT_EQ(shake_hands(*context, {}).server_name, "server");

    const SocketEnds ends = unix_sockets();
    auto before = std::move(context->make_transport(ends.server)).value();
    const Identity renewed = make_identity("renewed", &authority);
    folder.write_key("server.key", renewed);
    folder.write_certificate("server.pem", renewed);
    EXPECT_TRUE(context->reload().ok());
    EXPECT_EQ(shake_hands(*context, {}).server_name, "renewed");

    TestClient socket(ends.client);
    TlsTestClient client(socket);
    client.start();
    std::array<std::byte, 100> space;
    for (int step = 0; step < 5 && !client.connected(); ++step) {
        EXPECT_EQ(before->read(space).outcome, IoResult::Outcome::kWantsRead);
        client.pump();
    }
    EXPECT_TRUE(client.connected());
}

}  // namespace
}  // namespace tritonpy
