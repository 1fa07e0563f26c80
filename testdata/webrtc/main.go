// Command webrtc is what a client opens for a call: a WebRTC peer with one data channel,
// here of a lab that has no browser. It is a module of its own, so that the relay does not
// depend on what only this needs.
//
// Usage: webrtc offer|answer SERVERS, with the ICE servers as core's ice_servers has them.
// It writes its session description to standard output, in one line, and reads the other
// side's from standard input; the answering side reads first. Once a text went both ways
// it prints by what kinds of candidates, and exits.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/pion/webrtc/v4"
)

// patience bounds all of it.
const patience = time.Minute

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "webrtc:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 || args[0] != "offer" && args[0] != "answer" {
		return errors.New("usage: webrtc offer|answer SERVERS")
	}
	var servers []struct {
		URLs                 []string
		Username, Credential string
	}
	if err := json.Unmarshal([]byte(args[1]), &servers); err != nil {
		return fmt.Errorf("servers: %w", err)
	}
	var config webrtc.Configuration
	for _, s := range servers {
		config.ICEServers = append(config.ICEServers, webrtc.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
	}
	peer, err := webrtc.NewPeerConnection(config)
	if err != nil {
		return err
	}
	defer peer.Close()
	end := time.After(patience)
	heard := make(chan string, 1)
	greet := func(channel *webrtc.DataChannel) {
		channel.OnOpen(func() { _ = channel.SendText("hello from " + args[0]) })
		channel.OnMessage(func(m webrtc.DataChannelMessage) { heard <- string(m.Data) })
	}
	in := bufio.NewReader(os.Stdin)
	if args[0] == "offer" {
		channel, err := peer.CreateDataChannel("call", nil)
		if err != nil {
			return err
		}
		greet(channel)
		if err := describe(peer, peer.CreateOffer, end); err != nil {
			return err
		}
		if err := hear(peer, in); err != nil {
			return err
		}
	} else {
		peer.OnDataChannel(greet)
		if err := hear(peer, in); err != nil {
			return err
		}
		answer := func(*webrtc.OfferOptions) (webrtc.SessionDescription, error) { return peer.CreateAnswer(nil) }
		if err := describe(peer, answer, end); err != nil {
			return err
		}
	}
	select {
	case text := <-heard:
		pair, err := peer.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
		if err != nil {
			return err
		}
		fmt.Printf("%q by %v and %v\n", text, pair.Local.Typ, pair.Remote.Typ)
	case <-end:
		return fmt.Errorf("no data after %v: %v", patience, peer.ICEConnectionState())
	}
	// The other side may still wait for what it needs to hear: who started both says when.
	_, err = io.Copy(io.Discard, in)
	return err
}

// describe writes the description once all candidates are in it.
func describe(peer *webrtc.PeerConnection, create func(*webrtc.OfferOptions) (webrtc.SessionDescription, error), end <-chan time.Time) error {
	description, err := create(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(peer)
	if err := peer.SetLocalDescription(description); err != nil {
		return err
	}
	select {
	case <-gathered:
	case <-end:
		return errors.New("gathering candidates takes too long")
	}
	return json.NewEncoder(os.Stdout).Encode(peer.LocalDescription())
}

// hear reads the other side's description.
func hear(peer *webrtc.PeerConnection, in *bufio.Reader) error {
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the other side's description: %w", err)
	}
	var description webrtc.SessionDescription
	if err := json.Unmarshal(line, &description); err != nil {
		return err
	}
	return peer.SetRemoteDescription(description)
}
