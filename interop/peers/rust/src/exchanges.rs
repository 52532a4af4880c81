//! The commands that send random bytes and check what comes back.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use futures::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _, future::try_join,
    stream::FuturesUnordered,
};
use libp2p::Stream;
use rand::Rng as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::Barrier;

use crate::{
    Target,
    host::{connect, patiently},
    listen::{CHUNK, ECHO, HASH},
    streams::Opener,
};

type Hash = [u8; 32];

/// Sends that many random bytes, closes the stream for writing, and gives the SHA-256 of what it sent.
async fn send_random(mut stream: impl AsyncWrite + Unpin, bytes: u64) -> Result<Hash> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut left = bytes;
    while left > 0 {
        let n = left.min(CHUNK as u64) as usize;
        rand::rng().fill_bytes(&mut chunk[..n]);
        hash.update(&chunk[..n]);
        patiently(stream.write_all(&chunk[..n])).await.context("sending")?;
        left -= n as u64;
    }
    patiently(stream.close()).await.context("closing")?;
    Ok(hash.finalize().into())
}

/// Reads to the end of a stream, which must come after that many bytes, and gives their SHA-256.
async fn receive(mut stream: impl AsyncRead + Unpin, bytes: u64) -> Result<Hash> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut received = 0;
    loop {
        let n = patiently(stream.read(&mut chunk))
            .await
            .with_context(|| format!("after {received} bytes"))?;
        if n == 0 {
            break;
        }
        hash.update(&chunk[..n]);
        received += n as u64;
    }
    ensure!(received == bytes, "{received} bytes came back, not {bytes}");
    Ok(hash.finalize().into())
}

/// Sends random bytes while it reads back what comes, and gives the SHA-256 of either.
async fn exchange_echo(stream: Stream, bytes: u64) -> Result<(Hash, Hash)> {
    let (reading, writing) = stream.split();
    try_join(send_random(writing, bytes), receive(reading, bytes)).await
}

/// Sends random bytes to the hash protocol and checks its answer.
async fn exchange_hash(opener: &Opener, bytes: u64) -> Result<()> {
    let mut stream = patiently(opener.open(HASH)).await?;
    let sent = send_random(&mut stream, bytes).await?;
    let mut answer = Vec::new();
    patiently((&mut stream).take(33).read_to_end(&mut answer))
        .await
        .context("reading the hash")?;
    ensure!(
        answer == sent,
        "the answer is not the hash but {} bytes: {answer:02x?}",
        answer.len()
    );
    Ok(())
}

pub async fn echo(target: Target, bytes: u64) -> Result<()> {
    let opener = connect(&target).await?;
    let stream = patiently(opener.open(ECHO)).await?;
    let (sent, received) = exchange_echo(stream, bytes).await?;
    println!(
        "{}",
        json!({"bytes": bytes, "sent_sha256": hex(&sent), "received_sha256": hex(&received)})
    );
    ensure!(sent == received, "other bytes came back than were sent");
    Ok(())
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub async fn half_close(target: Target, bytes: u64) -> Result<()> {
    exchange_hash(&connect(&target).await?, bytes).await?;
    println!("{}", json!({"bytes": bytes, "ok": true}));
    Ok(())
}

pub async fn short_streams(target: Target, count: usize, bytes: u64) -> Result<()> {
    let opener = connect(&target).await?;
    let mut ok = 0;
    while ok < count {
        if let Err(e) = exchange_hash(&opener, bytes).await {
            eprintln!("stream {ok}: {e:#}");
            break;
        }
        ok += 1;
    }
    print_count(count, ok)
}

pub async fn streams(target: Target, count: usize, bytes: u64) -> Result<()> {
    let opener = connect(&target).await?;
    let all_open = Arc::new(Barrier::new(count));
    let mut exchanges: FuturesUnordered<_> = (0..count)
        .map(|_| tokio::spawn(exchange_when_all_open(opener.clone(), all_open.clone(), bytes)))
        .collect();
    let mut ok = 0;
    while let Some(result) = exchanges.next().await {
        match result? {
            Ok(()) => ok += 1,
            Err(e) => eprintln!("{e:#}"),
        }
    }
    print_count(count, ok)
}

async fn exchange_when_all_open(opener: Opener, all_open: Arc<Barrier>, bytes: u64) -> Result<()> {
    let stream = patiently(opener.open(ECHO)).await;
    all_open.wait().await;
    let (sent, received) = exchange_echo(stream?, bytes).await?;
    ensure!(sent == received, "other bytes came back than were sent");
    Ok(())
}

fn print_count(count: usize, ok: usize) -> Result<()> {
    println!("{}", json!({"count": count, "ok": ok}));
    if ok != count {
        bail!("{} of {count} streams failed", count - ok);
    }
    Ok(())
}
