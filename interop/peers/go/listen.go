package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

const (
	echoProtocol = protocol.ID("/echo/1.0.0")
	hashProtocol = protocol.ID("/hash/1.0.0")
	perfProtocol = protocol.ID("/perf/1.0.0")
)

// chunkSize is how much is read or written at once.
const chunkSize = 64 << 10

func runListen(o options) error {
	h, err := newHost(o.key, o.listen)
	if err != nil {
		return err
	}
	defer h.Close()

	h.SetStreamHandler(echoProtocol, serve(answerEcho))
	h.SetStreamHandler(hashProtocol, serve(answerHash))
	h.SetStreamHandler(perfProtocol, serve(answerPerf))

	if err := printListening(h); err != nil {
		return err
	}

	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-stopped:
	case <-stdinEnded():
	}
	return nil
}

func printListening(h host.Host) error {
	addrs := []string{}
	for _, addr := range h.Addrs() {
		addrs = append(addrs, fmt.Sprintf("%s/p2p/%s", addr, h.ID()))
	}
	return printLine(struct {
		Event  string   `json:"event"`
		PeerID string   `json:"peer_id"`
		Addrs  []string `json:"addrs"`
	}{"listening", h.ID().String(), addrs})
}

func stdinEnded() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	return ended
}

// serve turns the answering side of a protocol into a stream handler, which closes the stream after success only.
func serve(answer func(network.Stream) error) network.StreamHandler {
	return func(s network.Stream) {
		if err := answer(s); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", s.Protocol(), err)
			s.Reset()
			return
		}
		s.Close()
	}
}

func answerEcho(s network.Stream) error {
	buf := make([]byte, chunkSize)
	for {
		n, err := s.Read(buf)
		if n > 0 {
			if _, err := s.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func answerHash(s network.Stream) error {
	hash := sha256.New()
	if _, err := io.CopyBuffer(hash, s, make([]byte, chunkSize)); err != nil {
		return err
	}
	_, err := s.Write(hash.Sum(nil))
	return err
}
