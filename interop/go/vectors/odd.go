package main

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/raft"
)

// A pair is a key and what stands behind it, both encoded.
type pair struct{ key, value []byte }

func field(key string, value any) pair { return pair{encode(false, key), encode(false, value)} }

// verbatim is a field whose value is written as these bytes.
func verbatim(key string, value ...byte) pair { return pair{encode(false, key), value} }

func mapOf(head []byte, pairs ...pair) []byte {
	out := bytes.Clone(head)
	for _, p := range pairs {
		out = append(append(out, p.key...), p.value...)
	}
	return out
}

func fixMap(pairs ...pair) []byte { return mapOf([]byte{0x80 | byte(len(pairs))}, pairs...) }

func arrayOf(values ...any) []byte {
	out := []byte{0x90 | byte(len(values))}
	for _, value := range values {
		out = append(out, encode(false, value)...)
	}
	return out
}

// asArray encodes a struct the way that Go does when it is told to leave out the names.
func asArray(value any) []byte {
	options := handle(false)
	options.StructToArray = true
	var out bytes.Buffer
	if err := codec.NewEncoder(&out, options).Encode(value); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// read gives the vector of bytes that Go would not write itself, with what Go reads from them.
func read(name string, into any, encoded []byte) vector {
	kind := strings.TrimPrefix(fmt.Sprintf("%T", into), "*raft.")
	if err := codec.NewDecoderBytes(encoded, handle(false)).Decode(into); err != nil {
		return newVector(name, kind, "refused", encoded)
	}
	return newVector(name, kind, describe(into), encoded)
}

// odd has messages as other programs, and other versions of this one, may write them.
func odd() []vector {
	all := []vector{}
	vote := func(name string, encoded []byte) {
		all = append(all, read(name, &raft.RequestVoteRequest{}, encoded))
	}
	term := field("Term", 9)
	vote("no field at all", fixMap())
	vote("nil", []byte{0xc0})
	vote("missing fields", fixMap(term, field("LastLogIndex", 5)))
	vote("unknown fields", fixMap(field("Future", map[string]any{"a": []int{1, 2}}), term, field("Past", nil)))
	vote("an unknown extension", fixMap(verbatim("Future", 0xd6, 5, 1, 2, 3, 4), term))
	vote("unknown floats", fixMap(field("Float", 1.5), field("Single", float32(2)), term))
	vote("a key twice", fixMap(term, field("Term", 3)))
	vote("a key three times, nil at last", fixMap(term, field("Term", 3), field("Term", nil)))
	vote("bytes twice, nil at last", fixMap(field("Candidate", []byte("me")), field("Candidate", nil)))
	vote("keys that are not sorted", fixMap(term, field("LastLogTerm", 2), field("Addr", []byte("a")), field("ID", []byte("i"))))
	vote("keys of another case", fixMap(field("term", 9), field("TERM", 9)))
	vote("keys as bytes", fixMap(pair{[]byte("\xc4\x04Term"), []byte{9}}))
	vote("keys with a longer header", fixMap(pair{[]byte("\xd9\x04Term"), []byte{9}}))
	vote("keys with the longest header", fixMap(pair{[]byte("\xdb\x00\x00\x00\x04Term"), []byte{9}}))
	vote("a map of 16 bits", mapOf([]byte{0xde, 0, 1}, term))
	vote("a map of 32 bits", mapOf([]byte{0xdf, 0, 0, 0, 1}, term))
	for _, bytes := range [][]byte{{0xa2, 'm', 'e'}, {0xc4, 2, 'm', 'e'}, {0xd9, 2, 'm', 'e'}, {0xda, 0, 2, 'm', 'e'}, {0xc5, 0, 2, 'm', 'e'}, {0xc6, 0, 0, 0, 2, 'm', 'e'}} {
		vote(fmt.Sprintf("bytes behind %02x", bytes[0]), fixMap(verbatim("Candidate", bytes...)))
	}
	vote("bytes as an array of numbers", fixMap(verbatim("Candidate", 0x93, 1, 0xcc, 255, 0)))
	for _, number := range [][]byte{
		{0xcc, 9}, {0xcd, 0, 9}, {0xce, 0, 0, 0, 9}, {0xcf, 0, 0, 0, 0, 0, 0, 0, 9},
		{0xd0, 9}, {0xd1, 0, 9}, {0xd2, 0, 0, 0, 9}, {0xd3, 0, 0, 0, 0, 0, 0, 0, 9},
		{0xd0, 0xff}, {0xff}, {0xc2}, {0xa1, '9'}, {0x91, 9},
	} {
		vote(fmt.Sprintf("the term as %x", number), fixMap(verbatim("Term", number...)))
		all = append(all, read(
			fmt.Sprintf("the size as %x", number), &raft.InstallSnapshotRequest{},
			fixMap(verbatim("Size", number...)),
		))
	}
	vote("a bool as a number", fixMap(field("LeadershipTransfer", 1)))
	vote("an array of nothing", arrayOf())
	vote("an array that is short", arrayOf(3, []byte("id"), []byte("addr"), 9))
	vote("an array that is long", arrayOf(3, []byte("id"), []byte("addr"), 9, []byte("me"), 5, 4, true, "more", []int{1}))
	vote("a number", []byte{9})
	vote("a text", encode(false, "Term"))
	return append(all, arrays()...)
}

// arrays has one of each message, written as an array.
func arrays() []vector {
	all := []vector{}
	for _, message := range withHeader(fullHeader) {
		empty := reflect.New(reflect.TypeOf(message).Elem()).Interface()
		all = append(all, read("an array", empty, asArray(message)))
	}
	return all
}
