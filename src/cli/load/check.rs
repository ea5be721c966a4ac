//! What a right answer is. A load that is answered wrongly is no load test.

use super::mistakes::Mistake;
use super::payer::Asked;
use crate::grpc::pb;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Twin {
    /// The service.
    Score,
    /// The echo twin, which allows everything.
    Echo,
}

impl Twin {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Echo => "echo",
        }
    }
}

/// How an answer is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It says nothing, or no decision.
    Empty,
    /// It is about another payment, or out of turn.
    Misplaced,
    /// A mistake was let through.
    MistakeAllowed,
    /// A retry was decided anew.
    RetryNotReplayed,
    /// A new payment got the answer of an earlier one.
    NewReplayed,
    /// The echo twin did something else than allow.
    EchoDecided,
}

impl Wrong {
    pub(super) const ALL: [Self; 6] = [
        Self::Empty,
        Self::Misplaced,
        Self::MistakeAllowed,
        Self::RetryNotReplayed,
        Self::NewReplayed,
        Self::EchoDecided,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Misplaced => "misplaced",
            Self::MistakeAllowed => "mistake_allowed",
            Self::RetryNotReplayed => "retry_not_replayed",
            Self::NewReplayed => "new_replayed",
            Self::EchoDecided => "echo_decided",
        }
    }

    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Empty => "no assessment, or one without a decision",
            Self::Misplaced => "an answer about another payment, or out of turn",
            Self::MistakeAllowed => "a double payment was let through",
            Self::RetryNotReplayed => "a retry under the same id was decided anew",
            Self::NewReplayed => {
                "a new payment got a stored answer (is this --seed in use on this server already?)"
            }
            Self::EchoDecided => "the echo twin did not allow",
        }
    }
}

/// Whether `answer` is right for what was `asked`.
pub(super) fn check(twin: Twin, asked: &Asked, answer: &pb::Assessment) -> Result<(), Wrong> {
    let decision = answer.decision();
    if decision == pb::Decision::Unspecified {
        return Err(Wrong::Empty);
    }
    if !asked.is_about(&answer.payment_id) {
        return Err(Wrong::Misplaced);
    }
    match (twin, asked.mistake) {
        (Twin::Echo, _) if decision != pb::Decision::Allow => Err(Wrong::EchoDecided),
        (Twin::Echo, _) => Ok(()),
        (Twin::Score, Some(Mistake::SameId)) if !answer.replayed => Err(Wrong::RetryNotReplayed),
        (Twin::Score, Some(Mistake::SameId)) => Ok(()),
        (Twin::Score, _) if answer.replayed => Err(Wrong::NewReplayed),
        (Twin::Score, Some(_)) if decision == pb::Decision::Allow => Err(Wrong::MistakeAllowed),
        (Twin::Score, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::accounts::Spread;
    use super::super::mistakes::Mistakes;
    use super::super::payer::{Payer, Population};
    use super::*;

    /// A payment that is `mistake`, and its id.
    fn asked(mistake: Option<Mistake>) -> (String, Asked) {
        let population = Population {
            spread: Spread::Uniform { accounts: 1 },
            payees_per_account: 1,
            mistakes: Mistakes::NONE,
            first_mistaken: 1,
        };
        let (request, mut asked) = Payer::new(population, 1, 0).next();
        asked.mistake = mistake;
        (request.payment.unwrap().payment_id, asked)
    }

    fn checked(
        twin: Twin,
        mistake: Option<Mistake>,
        decision: pb::Decision,
        replayed: bool,
    ) -> Result<(), Wrong> {
        let (payment_id, asked) = asked(mistake);
        let answer = pb::Assessment {
            payment_id,
            decision: decision.into(),
            replayed,
            ..pb::Assessment::default()
        };
        check(twin, &asked, &answer)
    }

    #[test]
    fn a_new_payment_may_be_decided_in_any_way_but_not_replayed() {
        use pb::Decision::{Allow, Block, Confirm, Unspecified};
        for decision in [Allow, Confirm, Block] {
            assert_eq!(checked(Twin::Score, None, decision, false), Ok(()));
        }
        assert_eq!(
            checked(Twin::Score, None, Allow, true),
            Err(Wrong::NewReplayed)
        );
        assert_eq!(
            checked(Twin::Score, None, Unspecified, false),
            Err(Wrong::Empty)
        );
    }

    #[test]
    fn mistakes_must_not_be_allowed_and_retries_must_be_replayed() {
        use pb::Decision::{Allow, Block, Confirm};
        for mistake in [
            Mistake::DoublePress,
            Mistake::TimeoutRetry,
            Mistake::Resubmit,
        ] {
            for decision in [Confirm, Block] {
                assert_eq!(checked(Twin::Score, Some(mistake), decision, false), Ok(()));
            }
            let allowed = checked(Twin::Score, Some(mistake), Allow, false);
            assert_eq!(allowed, Err(Wrong::MistakeAllowed));
        }
        let retry = Some(Mistake::SameId);
        assert_eq!(checked(Twin::Score, retry, Allow, true), Ok(()));
        let anew = checked(Twin::Score, retry, Block, false);
        assert_eq!(anew, Err(Wrong::RetryNotReplayed));
    }

    #[test]
    fn the_echo_twin_allows_whatever_comes() {
        use pb::Decision::{Allow, Block};
        for mistake in [None, Some(Mistake::DoublePress), Some(Mistake::SameId)] {
            assert_eq!(checked(Twin::Echo, mistake, Allow, false), Ok(()));
        }
        let blocked = checked(Twin::Echo, None, Block, false);
        assert_eq!(blocked, Err(Wrong::EchoDecided));
    }

    #[test]
    fn an_answer_about_another_payment_is_wrong() {
        let (_, asked) = asked(None);
        let answer = pb::Assessment {
            payment_id: "another".to_owned(),
            decision: pb::Decision::Allow.into(),
            ..pb::Assessment::default()
        };
        assert_eq!(check(Twin::Score, &asked, &answer), Err(Wrong::Misplaced));
    }
}
