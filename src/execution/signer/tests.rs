use std::sync::atomic::{AtomicUsize, Ordering};

use alloy::eips::eip2718::Decodable2718;
use alloy::primitives::{TxKind, U256};
use alloy::signers::{Result, SignerSync};

use super::*;

const SECRET: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const CHAIN: ChainId = 31_337;

fn secret() -> PrivateKeySigner {
    SECRET.parse().unwrap()
}

fn transaction() -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN,
        nonce: 7,
        gas_limit: 21_000,
        max_fee_per_gas: 2_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(Address::repeat_byte(9)),
        value: U256::from(3),
        ..TxEip1559::default()
    }
}

/// How a signer elsewhere answers.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Honest,
    /// The other of the two equal signatures, which no node takes.
    HighS,
    OtherKey,
    OtherBytes,
    /// Signs what it was asked for after it has changed it.
    ChangesBytes,
    Error,
    Silent,
}

/// A signer elsewhere that says it holds `secret()`.
struct Elsewhere(Manner, Arc<AtomicUsize>);

#[async_trait::async_trait]
impl TxSigner<Signature> for Elsewhere {
    fn address(&self) -> Address {
        secret().address()
    }

    async fn sign_transaction(&self, tx: &mut dyn SignableTransaction<Signature>) -> Result<Signature> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let signed = |hash: B256| secret().sign_hash_sync(&hash);
        match self.0 {
            Manner::Honest => signed(tx.signature_hash()),
            Manner::HighS => {
                let low = signed(tx.signature_hash())?;
                // n - s, which recovers with the other parity.
                let n = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
                let n = U256::from_str_radix(n, 16).unwrap();
                Ok(Signature::new(low.r(), n.wrapping_sub(low.s()), !low.v()))
            }
            Manner::OtherKey => PrivateKeySigner::from_bytes(&B256::repeat_byte(7))
                .unwrap()
                .sign_hash_sync(&tx.signature_hash()),
            Manner::OtherBytes => signed(B256::repeat_byte(1)),
            Manner::ChangesBytes => {
                tx.set_chain_id(1);
                signed(tx.signature_hash())
            }
            Manner::Error => Err(alloy::signers::Error::message("AccessDeniedException: no kms:Sign")),
            Manner::Silent => std::future::pending().await,
        }
    }
}

fn elsewhere(manner: Manner) -> (KeeperKey, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let key = KeeperKey::new(Elsewhere(manner, asked.clone()), Duration::from_secs(10));
    (key.for_chain(CHAIN), asked)
}

#[test]
fn a_key_shows_its_address_alone() {
    let key = KeeperKey::from(secret());
    assert_eq!(format!("{key:?}"), "KeeperKey(0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266)");
}

#[tokio::test]
async fn what_is_signed_is_the_transaction_and_recovers_to_the_key() {
    for key in [KeeperKey::from(secret()).for_chain(CHAIN), elsewhere(Manner::Honest).0] {
        let (hash, raw) = key.sign(transaction()).await.unwrap();
        let envelope = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
        assert_eq!(envelope.as_eip1559().unwrap().tx(), &transaction());
        let signed = envelope.as_eip1559().unwrap();
        let sender = signed.signature().recover_address_from_prehash(&signed.signature_hash()).unwrap();
        assert_eq!((*envelope.tx_hash(), sender), (hash, key.address()));
    }
}

#[tokio::test]
async fn a_high_s_is_brought_into_the_form_that_nodes_take() {
    let local = KeeperKey::from(secret()).for_chain(CHAIN).sign(transaction()).await.unwrap();
    assert_eq!(elsewhere(Manner::HighS).0.sign(transaction()).await.unwrap(), local);
}

#[tokio::test]
async fn i7_nothing_is_signed_for_a_foreign_chain_and_the_signer_is_not_even_asked() {
    let address = secret().address();
    let (key, asked) = elsewhere(Manner::Honest);
    let foreign = TxEip1559 { chain_id: 1, ..transaction() };
    let expected = KeyError::ForeignChain { address, own: Some(CHAIN), asked: 1 };
    // A second chain does not take the place of the first.
    assert_eq!(key.for_chain(1).sign(foreign.clone()).await, Err(expected.clone()));
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert!(expected.to_string().ends_with("does not sign for chain 1: it signs for 31337 alone"));
    let unbound = KeeperKey::from(secret()).sign(foreign).await;
    assert_eq!(unbound, Err(KeyError::ForeignChain { address, own: None, asked: 1 }));
}

#[tokio::test]
async fn a_signature_of_another_key_or_over_other_bytes_is_thrown_away() {
    let other = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap().address();
    let (address, recovered) = (secret().address(), Some(other));
    let refused = elsewhere(Manner::OtherKey).0.sign(transaction()).await;
    assert_eq!(refused, Err(KeyError::OtherSignature { address, recovered }));
    assert!(refused.unwrap_err().to_string().contains(&format!("(they say {other})")));
    for manner in [Manner::OtherBytes, Manner::ChangesBytes] {
        let refused = elsewhere(manner).0.sign(transaction()).await.unwrap_err();
        assert!(matches!(refused, KeyError::OtherSignature { .. }), "{refused}");
    }
}

#[tokio::test]
async fn a_signer_that_does_not_answer_is_given_up_after_its_time() {
    let (address, after) = (secret().address(), Duration::from_millis(20));
    let asked = Arc::new(AtomicUsize::new(0));
    let key = KeeperKey::new(Elsewhere(Manner::Silent, asked.clone()), after).for_chain(CHAIN);
    let error = key.sign(transaction()).await.unwrap_err();
    assert_eq!(error, KeyError::TimedOut { address, after });
    assert!(
        error.to_string().contains("did not answer within 0.02 s: check that it can be reached"),
        "{error}"
    );
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_the_signer_says_is_told() {
    let error = elsewhere(Manner::Error).0.sign(transaction()).await.unwrap_err();
    let address = secret().address();
    let expected = format!("the key of {address} could not sign: AccessDeniedException: no kms:Sign");
    assert_eq!(error.to_string(), expected);
}
