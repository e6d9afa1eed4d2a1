package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// What clients did, one JSON line for each event, in the order in which it happened.
type journal struct {
	lock sync.Mutex
	out  io.Writer
}

func newJournal(out io.Writer) *journal {
	return &journal{out: out}
}

func (j *journal) line(line map[string]any) {
	j.lock.Lock()
	defer j.lock.Unlock()
	encoder := json.NewEncoder(j.out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(line); err != nil {
		panic(err) // Nobody reads any more: there is nothing left to do.
	}
}

var sendStatus = map[primitive.SendStatus]string{
	primitive.SendOK:                "SEND_OK",
	primitive.SendFlushDiskTimeout:  "FLUSH_DISK_TIMEOUT",
	primitive.SendFlushSlaveTimeout: "FLUSH_SLAVE_TIMEOUT",
	primitive.SendSlaveNotAvailable: "SLAVE_NOT_AVAILABLE",
}

func (j *journal) sent(by string, id int, result *primitive.SendResult) {
	j.line(map[string]any{
		"event": "sent", "by": by, "id": id, "topic": result.MessageQueue.Topic,
		"broker": result.MessageQueue.BrokerName, "queueId": result.MessageQueue.QueueId,
		"queueOffset": result.QueueOffset, "status": sendStatus[result.Status],
		"uniqueId": result.MsgID, "offsetId": result.OffsetMsgID,
	})
}

// One answer for all messages of a batch: the offset of the first.
func (j *journal) sentBatch(by string, from, count int, result *primitive.SendResult) {
	j.line(map[string]any{
		"event": "sentBatch", "by": by, "from": from, "count": count, "topic": result.MessageQueue.Topic,
		"broker": result.MessageQueue.BrokerName, "queueId": result.MessageQueue.QueueId,
		"queueOffset": result.QueueOffset, "status": sendStatus[result.Status], "offsetId": result.OffsetMsgID,
	})
}

func (j *journal) unsent(by string, id int, err error) {
	j.line(map[string]any{"event": "unsent", "by": by, "id": id, "error": err.Error()})
}

// "outcome": what the listener is going to say.
func (j *journal) consumed(by string, message *primitive.MessageExt, outcome string) {
	line := described(message)
	line["event"], line["by"], line["outcome"], line["us"] = "consumed", by, outcome, nowUs()
	j.line(line)
}

// Of the clock that all processes of the machine share: lines of two of them come in any order.
func nowUs() int64 {
	return time.Now().UnixMicro()
}

// The body of a message follows from its number and its length: the number in decimal, a colon, then letters in order.
func bodyOf(id, length int) []byte {
	body := []byte(strconv.Itoa(id) + ":")
	for at := len(body); at < length; at++ {
		body = append(body, byte('a'+(id+at)%26))
	}
	return body
}

func idOf(body []byte) (int, error) {
	head, _, _ := bytes.Cut(body, []byte(":"))
	return strconv.Atoi(string(head))
}

func described(message *primitive.MessageExt) map[string]any {
	id, err := idOf(message.Body)
	line := map[string]any{
		"id":     id,
		"intact": err == nil && bytes.Equal(message.Body, bodyOf(id, len(message.Body))),
		"bytes":  len(message.Body), "topic": message.Topic, "queueOffset": message.QueueOffset,
		"tags": message.GetTags(), "keys": message.GetKeys(), "reconsumeTimes": message.ReconsumeTimes,
		"uniqueId": message.MsgId, "properties": message.GetProperties(),
		"bornAtMs": message.BornTimestamp, "storedAtMs": message.StoreTimestamp,
	}
	if message.Queue != nil {
		line["broker"] = message.Queue.BrokerName
		line["queueId"] = message.Queue.QueueId
	}
	return line
}
