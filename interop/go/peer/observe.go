package main

import (
	"github.com/hashicorp/raft"
)

const observationsKept = 1024

// observationOf gives an observation the name and the fields that replies have.
func observationOf(data any) (string, object) {
	switch o := data.(type) {
	case raft.RaftState:
		return "RaftState", object{"state": o.String()}
	case raft.LeaderObservation:
		return "LeaderObservation", object{
			"leader": o.Leader, "leaderAddr": o.LeaderAddr, "leaderID": o.LeaderID,
		}
	case raft.PeerObservation:
		peer := server{string(o.Peer.ID), string(o.Peer.Address), o.Peer.Suffrage.String()}
		return "PeerObservation", object{"removed": o.Removed, "peer": peer}
	case raft.FailedHeartbeatObservation:
		return "FailedHeartbeatObservation", object{"peerID": o.PeerID}
	case raft.ResumedHeartbeatObservation:
		return "ResumedHeartbeatObservation", object{"peerID": o.PeerID}
	case raft.RequestVoteRequest:
		return "RequestVoteRequest", object{
			"term": o.Term, "lastLogIndex": o.LastLogIndex, "lastLogTerm": o.LastLogTerm,
			"leadershipTransfer": o.LeadershipTransfer,
		}
	case raft.RequestPreVoteRequest:
		return "RequestPreVoteRequest", object{
			"term": o.Term, "lastLogIndex": o.LastLogIndex, "lastLogTerm": o.LastLogTerm,
		}
	}
	return "", nil
}

func (n *node) observe(out *printer) {
	observations := make(chan raft.Observation, observationsKept)
	n.raft.RegisterObserver(raft.NewObserver(observations, false, nil))
	go func() {
		for o := range observations {
			if kind, data := observationOf(o.Data); kind != "" {
				out.print(object{"event": "observation", "type": kind, "data": data})
			}
		}
	}()
}

func (n *node) watchLeadership(out *printer) {
	go func() {
		for leads := range n.raft.LeaderCh() {
			out.print(object{"event": "leader", "isLeader": leads})
		}
	}()
}
