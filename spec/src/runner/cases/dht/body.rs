//! Questions of the DHT that must be refused with MALFORMED (`10-encoding` §2 and §5).

use super::super::super::bodies::dht;
use super::super::super::breaks::{self, Break};
use super::super::super::case::Case;
use super::super::super::frames::{codes, frame};
use super::super::super::identity::Identity;
use super::at_any;

pub(super) fn cases() -> Vec<Case> {
    let at = std::net::SocketAddr::from(([192, 0, 2, 7], 4001));
    let server = dht::server(7, at);
    let find = dht::find(&[0x11; 32], 20, &[1, 2], Some(&server));
    let get = dht::get(&[0x22; 32], 20, &[[3; 8]]);
    let record = Identity::new(&[1; 32]).signed_record(&[0x55; 40]);
    let put = dht::put(&[0x33; 32], &[0x44; 16], &record);
    let mut all: Vec<(u16, &str, Break)> = Vec::new();
    let mut add = |code, name, breaks: Vec<Break>| {
        all.extend(breaks.into_iter().map(|broken| (code, name, broken)));
    };
    add(dht::FIND, "find", breaks::cuts(&find));
    add(
        dht::FIND,
        "find",
        breaks::counts(&find, "DhtFind.known", 32),
    );
    add(
        dht::FIND,
        "find",
        breaks::extensions(&find, "DhtFind.extensions"),
    );
    add(
        dht::FIND,
        "find",
        vec![Break::new(
            "server-neither",
            "has an option that is neither absent nor present",
            &["DC-WIRE-006", "DC-WIRE-017"],
            find.replace("DhtFind.server", &[2]),
        )],
    );
    add(dht::GET, "get", breaks::cuts(&get));
    add(dht::GET, "get", breaks::counts(&get, "DhtGet.have", 32));
    add(
        dht::GET,
        "get",
        breaks::extensions(&get, "DhtGet.extensions"),
    );
    add(dht::PUT, "put", breaks::cuts(&put));
    add(
        dht::PUT,
        "put",
        breaks::extensions(&put, "DhtPut.extensions"),
    );
    all.into_iter()
        .map(|(code, name, broken)| {
            let bytes = frame(code, &broken.bytes);
            let title = name.to_uppercase();
            Case::negative(
                format!("dht/{name}-{}", broken.slug),
                format!("DHT_{title} that {} closes with MALFORMED", broken.about),
                broken.req,
                move |partner| {
                    let bytes = bytes.clone();
                    async move {
                        let link = at_any(&partner, &partner.identity()).await?;
                        let (mut send, _recv) = link.bi(&bytes).await?;
                        let _closed = send.finish();
                        link.expect_close(codes::MALFORMED).await
                    }
                },
            )
        })
        .collect()
}
