package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
)

func newHosts(o options) (hosts []host.Host, closeAll func(), err error) {
	closeAll = func() {
		for _, h := range hosts {
			h.Close()
		}
	}
	for range o.count {
		h, err := newHost(o.key)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		hosts = append(hosts, h)
	}
	return hosts, closeAll, nil
}

// connectOnce says how long it takes until the connection is usable; with identify, as Connect does it, unless told
// otherwise.
func connectOnce(h host.Host, target peer.AddrInfo, noIdentify bool) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now()
	var err error
	if noIdentify {
		h.Peerstore().AddAddrs(target.ID, target.Addrs, peerstore.TempAddrTTL)
		_, err = h.Network().DialPeer(ctx, target.ID)
	} else {
		err = h.Connect(ctx, target)
	}
	return time.Since(start), err
}

func runConnect(target peer.AddrInfo, o options) error {
	hosts, closeAll, err := newHosts(o)
	if err != nil {
		return err
	}
	defer closeAll()

	waiting := make(chan host.Host, len(hosts))
	for _, h := range hosts {
		waiting <- h
	}
	close(waiting)

	var mutex sync.Mutex
	var times []time.Duration
	var failed error
	var workers sync.WaitGroup
	start := time.Now()
	for range o.parallel {
		workers.Go(func() {
			for h := range waiting {
				took, err := connectOnce(h, target, o.noIdentify)
				if err == nil {
					err = h.Network().ClosePeer(target.ID)
				}
				mutex.Lock()
				times = append(times, took)
				if err != nil {
					failed = fmt.Errorf("connecting: %w", err)
				}
				stop := failed != nil
				mutex.Unlock()
				if stop {
					return
				}
			}
		})
	}
	workers.Wait()
	total := time.Since(start)
	if failed != nil {
		return failed
	}
	return printLine(struct {
		Connect   float64 `json:"connect_ms"`
		PerSecond float64 `json:"per_second"`
	}{milliseconds(median(times)), float64(o.count) / total.Seconds()})
}

func runIdle(target peer.AddrInfo, o options) error {
	hosts, closeAll, err := newHosts(o)
	if err != nil {
		return err
	}
	defer closeAll()
	for i, h := range hosts {
		if _, err := connectOnce(h, target, false); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
	}
	err = printLine(struct {
		Count int `json:"count"`
	}{o.count})
	if err == nil {
		<-stdinEnded()
	}
	return err
}
