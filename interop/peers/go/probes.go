package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	"github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-multistream"
)

// pingTimes pings on one stream and hands over each round trip's time.
func pingTimes(h host.Host, target peer.ID, count int, each func(time.Duration) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	results := ping.Ping(onlyConnected(ctx), h, target)
	for range count {
		select {
		case result := <-results:
			if result.Error != nil {
				return fmt.Errorf("ping: %w", result.Error)
			}
			if err := each(result.RTT); err != nil {
				return err
			}
		case <-time.After(patience):
			return errors.New("ping: no answer")
		}
	}
	return nil
}

func runPing(target peer.AddrInfo, o options) error {
	h, err := dial(target, o)
	if err != nil {
		return err
	}
	defer h.Close()
	return pingTimes(h, target.ID, o.count, func(rtt time.Duration) error {
		return printLine(struct {
			RTT float64 `json:"rtt_ms"`
		}{milliseconds(rtt)})
	})
}

func runIdentify(target peer.AddrInfo, o options) error {
	h, err := newHost(o.key)
	if err != nil {
		return err
	}
	defer h.Close()
	done, err := h.EventBus().Subscribe([]any{
		new(event.EvtPeerIdentificationCompleted), new(event.EvtPeerIdentificationFailed),
	})
	if err != nil {
		return err
	}
	defer done.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.Connect(ctx, target); err != nil {
		return err
	}

	select {
	case <-ctx.Done():
		return errors.New("identify did not finish")
	case e := <-done.Out():
		if failed, ok := e.(event.EvtPeerIdentificationFailed); ok {
			return fmt.Errorf("identify: %w", failed.Reason)
		}
		return printIdentified(e.(event.EvtPeerIdentificationCompleted))
	}
}

func printIdentified(e event.EvtPeerIdentificationCompleted) error {
	var observed *string
	if e.ObservedAddr != nil {
		text := e.ObservedAddr.String()
		observed = &text
	}
	return printLine(struct {
		PeerID          string                `json:"peer_id"`
		AgentVersion    string                `json:"agent_version"`
		ProtocolVersion string                `json:"protocol_version"`
		Protocols       []protocol.ID         `json:"protocols"`
		ListenAddrs     []multiaddr.Multiaddr `json:"listen_addrs"`
		ObservedAddr    *string               `json:"observed_addr"`
		KeyType         string                `json:"key_type"`
	}{
		PeerID:          e.Peer.String(),
		AgentVersion:    e.AgentVersion,
		ProtocolVersion: e.ProtocolVersion,
		Protocols:       append([]protocol.ID{}, e.Protocols...),
		ListenAddrs:     append([]multiaddr.Multiaddr{}, e.ListenAddrs...),
		ObservedAddr:    observed,
		KeyType:         strings.ToLower(e.Conn.RemotePublicKey().Type().String()),
	})
}

func runWrongPeerID(target peer.AddrInfo, o options) error {
	otherKey, err := newKey("ed25519")
	if err != nil {
		return err
	}
	target.ID, err = peer.IDFromPrivateKey(otherKey)
	if err != nil {
		return err
	}
	h, err := dial(target, o)
	if err == nil {
		h.Close()
		return errors.New("a connection to the wrong peer was accepted")
	}
	var mismatch sec.ErrPeerIDMismatch
	if !errors.As(err, &mismatch) {
		return fmt.Errorf("failed for another reason than the peer id: %w", err)
	}
	return printLine(struct {
		Refused bool   `json:"refused"`
		Error   string `json:"error"`
	}{true, mismatch.Error()})
}

func runUnknownProtocol(target peer.AddrInfo, o options) error {
	h, err := dial(target, o)
	if err != nil {
		return err
	}
	defer h.Close()

	s, err := openStream(h, target.ID, "/does-not-exist/1.0.0")
	if err == nil {
		s.Reset()
		return errors.New("a protocol that does not exist was accepted")
	}
	var notSupported multistream.ErrNotSupported[protocol.ID]
	if !errors.As(err, &notSupported) {
		return fmt.Errorf("failed for another reason than the protocol: %w", err)
	}

	var rtt time.Duration
	if err := pingTimes(h, target.ID, 1, func(t time.Duration) error { rtt = t; return nil }); err != nil {
		return err
	}
	return printLine(struct {
		Refused bool    `json:"refused"`
		Ping    float64 `json:"ping_ms"`
	}{true, milliseconds(rtt)})
}
