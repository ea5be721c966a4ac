//! What changes while calls go on drops none of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use doublecheck::scoring::policy::Preset;

use crate::authority::Authority;
use crate::support::{Server, client_tls, score, tls};
use crate::tokens::access;

const CLIENTS: usize = 8;
const CHANGES: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn certificates_tokens_and_policies_change_under_calls() {
    let (old, new) = (Authority::called("old"), Authority::called("new"));
    // Clients trust both while one takes the other's place.
    let both = Authority::both(&old, &new);
    let shown = [old.server(|_| ()), new.server(|_| ())];
    let of = |nth: usize| tls(&shown[nth % 2], Some(&both));
    let server = Arc::new(Server::start(Some(access()), Some(of(0))).await);
    let (over, calls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let clients: Vec<_> = (0..CLIENTS)
        .map(|nth| {
            let (server, over, calls) =
                (Arc::clone(&server), Arc::clone(&over), Arc::clone(&calls));
            let pair = [&old, &new][nth % 2].client(|_| ());
            let tls = client_tls(&both, Some(&pair));
            tokio::spawn(async move {
                let mut lasting = server.connect(Some(tls.clone())).await.unwrap();
                while !over.load(Ordering::SeqCst) {
                    score(&mut lasting, Some("Bearer dct_scorer"))
                        .await
                        .unwrap();
                    let mut fresh = server.connect(Some(tls.clone())).await.unwrap();
                    score(&mut fresh, Some("Bearer dct_boss")).await.unwrap();
                    calls.fetch_add(2, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for nth in 1..=CHANGES {
        server.auth.change_tls(of(nth));
        server.auth.change_access(access());
        let preset = [Preset::Balanced, Preset::Lenient][nth % 2];
        server
            .engine
            .change_policies(&preset.policy().into())
            .unwrap();
        let before = calls.load(Ordering::SeqCst);
        while calls.load(Ordering::SeqCst) < before + CLIENTS && !clients[0].is_finished() {
            tokio::task::yield_now().await;
        }
    }
    over.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    assert!(calls.load(Ordering::SeqCst) >= CHANGES * CLIENTS);
}

#[tokio::test]
async fn new_connections_see_the_new_certificate_and_old_ones_go_on() {
    let (old, new) = (Authority::called("old"), Authority::called("new"));
    let server = Server::start(None, Some(tls(&old.server(|_| ()), None))).await;
    let mut lasting = server.connect(Some(client_tls(&old, None))).await.unwrap();
    score(&mut lasting, None).await.unwrap();
    server.auth.change_tls(tls(&new.server(|_| ()), None));
    score(&mut lasting, None).await.unwrap();
    server.score_by_tls(client_tls(&new, None)).await.unwrap();
    server
        .score_by_tls(client_tls(&old, None))
        .await
        .unwrap_err();
    score(&mut lasting, None).await.unwrap();
}
