//! Policies on the command line: presets, what a policy means, and two of them side by side.

use std::fs;

use crate::support::{Folder, Served, run, serve};

const MINE: &str = "\
preset = \"cautious\"
[decision]
block_from = 90
[kind.gift.payee_new]
weight = 0.5
[currency.JPY.decision]
confirm_from = 65
";

#[test]
fn check_explains_every_setting_and_where_it_is_from() {
    let folder = Folder::with(&[("mine.toml", MINE)]);
    let mine = folder.path("mine.toml");
    let explained = |more: &[&str]| {
        let few = ["--limits-connections", "10", "--memory-budget", "16MiB"];
        let ran = run(&[&["check", "--policy", &mine, "--explain"][..], &few, more].concat())
            .succeeded_quietly();
        assert!(ran.out.lines().all(|line| line.chars().count() <= 120));
        ran.out
    };
    let all = explained(&[]);
    assert!(
        !all.contains("journal.ack"),
        "settings of the service: {all}"
    );
    for part in [
        "What holds for payments:\n",
        "\n[decision]\nconfirm_from       52.0 score  1 – 100  preset cautious (default 60.0)\n",
        "    Score from which the payer is asked. ",
        &format!("90.0 score  1 – 100  {mine} (default 85.0)\n"),
        "0 – 100  default\n",
        "\n[payee_new]  PAYEE_NEW\n",
        "\nkind.gift.payee_new.weight          0.5\n",
        "\ncurrency.JPY.decision.confirm_from  65\n",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    let gift = explained(&["--kind", "gift", "--currency", "JPY"]);
    for part in [
        "What holds for gift payments in JPY:\n",
        &format!("65.0 score  1 – 100  {mine} [currency.JPY.…] (default 60.0)\n"),
        &format!("{mine} [kind.gift.…] (default "),
    ] {
        assert!(gift.contains(part), "{part}: {gift}");
    }
    assert!(!gift.contains("For some of these"), "{gift}");
    let wrong = run(&["check", "--explain", "--kind", "gft"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}

#[test]
fn presets_go_by_their_bare_names() {
    let ran = run(&["check", "--policy", "cautious"]).succeeded();
    for part in [
        "cautious-",
        "preset cautious",
        "decision.confirm_from",
        "balanced: 60.0",
    ] {
        assert!(ran.out.contains(part), "{part}: {ran:?}");
    }
    let mistyped = run(&["check", "--policy", "cautios"]);
    assert_eq!(mistyped.code, Some(2), "{mistyped:?}");
    let end = "; did you mean the preset `cautious`?\n";
    assert!(mistyped.err.ends_with(end), "{mistyped:?}");
}

#[test]
fn a_shadow_is_asked_and_told_of() {
    let folder = Folder::with(&[(
        "harsh.toml",
        "[duplicate_recent]\nstart_strength = 100\n[decision]\nblock_from = 84\nblock_needs_abuse = 0\n",
    )]);
    let served = Served::start(&[
        "serve",
        "--grpc-address",
        "127.0.0.1:0",
        "--shadow-policy",
        &folder.path("harsh.toml"),
    ]);
    served.score_json("p-1", &[]);
    served.report_succeeded("p-1");
    for _first_and_retry in 0..2 {
        let asked = served.score_json("p-2", &[]);
        assert_eq!(asked["decision"], "DECISION_CONFIRM", "{asked}");
        assert_eq!(asked["shadow_decision"], "DECISION_BLOCK", "{asked}");
    }
    let evidence = served.run(&[
        "evidence",
        "--account",
        "alice",
        "--payment-id",
        "p-2",
        "--json",
    ]);
    assert!(evidence.out.contains("\"DECISION_BLOCK\""), "{evidence:?}");
    let alone = serve().score_json("p-1", &[]);
    assert_eq!(alone["shadow_decision"], "DECISION_UNSPECIFIED", "{alone}");
}

fn payment(time: &str, id: &str) -> String {
    format!(
        "{{\"type\":\"payment\",\"time\":\"2018-04-01T00:{time}Z\",\"payment_id\":\"{id}\",\
         \"account_id\":\"a\",\"payee_id\":\"13812345678\",\"payee_type\":\"phone\",\
         \"amount_minor\":5000,\"currency_code\":\"CNY\",\"kind\":\"top_up\"}}\n"
    )
}

#[test]
fn replay_puts_two_policies_side_by_side_and_the_second_changes_nothing() {
    // In the eighth second: a double press to balanced, a question to lenient.
    let events = payment("00:00", "p1") + &payment("00:08", "p2") + &payment("00:08", "p2");
    let folder = Folder::with(&[("events.jsonl", &events)]);
    let (file, out) = (folder.path("events.jsonl"), folder.path("out.jsonl"));
    let alone = run(&["replay", &file, "--out", &out]).succeeded();
    assert!(!alone.out.contains("A \\ B"), "{alone:?}");
    let decided = fs::read_to_string(&out).unwrap();

    let both = run(&["replay", &file, "--out", &out, "--shadow", "lenient"]).succeeded_quietly();
    assert_eq!(fs::read_to_string(&out).unwrap(), decided);
    for part in [
        "\nA  balanced-",
        "\nB  lenient-",
        "\n  block               1  50.0000 %          0   0.0000 %\n",
        "\n  block               0          1          0\n",
        "\nnewly asked, A blocks                   1  50.0000 %\n",
        "\n    DUPLICATE_IN_FLIGHT           1          1\n",
        "\n    line 2: p2 of a, 50.00 CNY\n      A block   100.0  DUPLICATE_IN_FLIGHT 100\n      B confirm ",
    ] {
        assert!(both.out.contains(part), "{part}: {}", both.out);
    }
}
