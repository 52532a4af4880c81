package main

import (
	"bytes"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// patientStream gives every single read and write its own deadline, so that a long transfer may take as long as it
// makes progress.
type patientStream struct{ network.Stream }

func (s patientStream) Read(p []byte) (int, error) {
	s.SetReadDeadline(time.Now().Add(patience))
	return s.Stream.Read(p)
}

func (s patientStream) Write(p []byte) (int, error) {
	s.SetWriteDeadline(time.Now().Add(patience))
	return s.Stream.Write(p)
}

func newRandom() *rand.ChaCha8 {
	var seed [32]byte
	crand.Read(seed[:])
	return rand.NewChaCha8(seed)
}

// sendRandom sends that many random bytes, closes the stream for writing, and gives the SHA-256 of what it sent.
func sendRandom(s network.Stream, size int64) ([]byte, error) {
	random, hash, buf := newRandom(), sha256.New(), make([]byte, chunkSize)
	for size > 0 {
		chunk := buf[:min(size, chunkSize)]
		random.Read(chunk)
		hash.Write(chunk)
		if _, err := s.Write(chunk); err != nil {
			return nil, fmt.Errorf("sending: %w", err)
		}
		size -= int64(len(chunk))
	}
	return hash.Sum(nil), s.CloseWrite()
}

// exchangeEcho sends random bytes while it reads back what comes, and gives the SHA-256 of either.
func exchangeEcho(s network.Stream, size int64) (sent, received []byte, err error) {
	sending := make(chan error, 1)
	go func() {
		var err error
		sent, err = sendRandom(s, size)
		if err != nil {
			s.Reset()
		}
		sending <- err
	}()

	hash := sha256.New()
	n, readErr := io.CopyBuffer(hash, s, make([]byte, chunkSize))
	switch {
	case readErr != nil:
		readErr = fmt.Errorf("after %d bytes: %w", n, readErr)
	case n != size:
		readErr = fmt.Errorf("%d bytes came back, not %d", n, size)
	}
	if readErr != nil {
		s.Reset()
	} else {
		s.Close()
	}
	return sent, hash.Sum(nil), errors.Join(<-sending, readErr)
}

func runEcho(target peer.AddrInfo, o options) error {
	h, err := dial(target, o)
	if err != nil {
		return err
	}
	defer h.Close()
	s, err := openStream(h, target.ID, echoProtocol)
	if err != nil {
		return err
	}
	sent, received, err := exchangeEcho(patientStream{s}, o.bytes)
	if err != nil {
		return err
	}
	err = printLine(struct {
		Bytes    int64  `json:"bytes"`
		Sent     string `json:"sent_sha256"`
		Received string `json:"received_sha256"`
	}{o.bytes, hex.EncodeToString(sent), hex.EncodeToString(received)})
	if err == nil && !bytes.Equal(sent, received) {
		err = errors.New("other bytes came back than were sent")
	}
	return err
}

// exchangeHash sends random bytes to the hash protocol and checks its answer.
func exchangeHash(h host.Host, target peer.ID, size int64) error {
	opened, err := openStream(h, target, hashProtocol)
	if err != nil {
		return err
	}
	s := patientStream{opened}
	defer s.Reset() // does nothing to a stream that ended well

	sent, err := sendRandom(s, size)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(io.LimitReader(s, sha256.Size+1))
	if err != nil {
		return fmt.Errorf("reading the hash: %w", err)
	}
	if !bytes.Equal(answer, sent) {
		return fmt.Errorf("the hash is %x, not %x", answer, sent)
	}
	return s.Close()
}

func runHalfClose(target peer.AddrInfo, o options) error {
	h, err := dial(target, o)
	if err != nil {
		return err
	}
	defer h.Close()
	if err := exchangeHash(h, target.ID, o.bytes); err != nil {
		return err
	}
	return printLine(struct {
		Bytes int64 `json:"bytes"`
		OK    bool  `json:"ok"`
	}{o.bytes, true})
}

func runShortStreams(target peer.AddrInfo, o options) error {
	h, err := dial(target, o)
	if err != nil {
		return err
	}
	defer h.Close()
	ok := 0
	for range o.count {
		if err := exchangeHash(h, target.ID, o.bytes); err != nil {
			fmt.Fprintf(os.Stderr, "stream %d: %v\n", ok, err)
			break
		}
		ok++
	}
	return printCount(o.count, ok)
}

func runStreams(target peer.AddrInfo, o options) error {
	h, err := dial(target, o)
	if err != nil {
		return err
	}
	defer h.Close()

	results := make(chan error, o.count)
	var allOpen sync.WaitGroup
	allOpen.Add(o.count)
	for range o.count {
		go func() {
			s, err := openStream(h, target.ID, echoProtocol)
			allOpen.Done()
			if err != nil {
				results <- err
				return
			}
			allOpen.Wait()
			sent, received, err := exchangeEcho(patientStream{s}, o.bytes)
			if err == nil && !bytes.Equal(sent, received) {
				err = errors.New("other bytes came back than were sent")
			}
			results <- err
		}()
	}

	ok := 0
	for range o.count {
		if err := <-results; err != nil {
			fmt.Fprintln(os.Stderr, err)
		} else {
			ok++
		}
	}
	return printCount(o.count, ok)
}

func printCount(count, ok int) error {
	err := printLine(struct {
		Count int `json:"count"`
		OK    int `json:"ok"`
	}{count, ok})
	if err == nil && ok != count {
		err = fmt.Errorf("%d of %d streams failed", count-ok, count)
	}
	return err
}
