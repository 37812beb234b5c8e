//! Whom the worker is to AWS: only who it was told to be.

use stockade::runner::serverless::aws::SignIn;
use stockade::runner::serverless::provider::{Class, Provider};
use stockade_tests::{Answer, Endpoint};

use crate::desk::{call, lambda, wait};

#[test]
fn a_call_that_cannot_be_signed_is_not_sent_and_says_why() {
    let endpoint = Endpoint::start(|_| Answer::whole(200, &[], b"{}"));
    // The tests run without AWS's variables, and without `~/.aws`.
    for sign_in in [SignIn::EnvironmentKey, SignIn::Profile("nobody".to_owned())] {
        let error = wait(lambda(&endpoint.url(), sign_in.clone()).call(&call("{}"))).unwrap_err();
        assert_eq!(error.class, Class::Permanent, "{sign_in:?}: {error:?}");
        assert!(error.message.contains("no credentials for AWS"), "{error:?}");
    }
    assert!(endpoint.asked().is_empty());
}
