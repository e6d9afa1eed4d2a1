package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// What the application says: of a message as it is sent, and when it is asked about one.
type decider struct {
	by        string
	journal   *journal
	decisions []any
	answers   []any
	askedMin  int
}

func (d *decider) ExecuteLocalTransaction(message *primitive.Message) primitive.LocalTransactionState {
	id, _ := idOf(message.Body)
	d.journal.line(map[string]any{"event": "executed", "by": d.by, "id": id})
	return stateOf(d.decisions, id)
}

func (d *decider) CheckLocalTransaction(message *primitive.MessageExt) primitive.LocalTransactionState {
	line := described(message)
	times, err := strconv.Atoi(message.GetProperty(primitive.PropertyTranscationCheckTimes))
	if err != nil {
		panic(fmt.Sprintf("asked without a count: %v", message))
	}
	line["event"], line["by"], line["times"] = "asked", d.by, times
	d.journal.line(line)
	if times < d.askedMin {
		return primitive.UnknowState
	}
	id, _ := idOf(message.Body)
	return stateOf(d.answers, id)
}

var states = map[string]primitive.LocalTransactionState{
	"commit":   primitive.CommitMessageState,
	"rollback": primitive.RollbackMessageState,
	"unknown":  primitive.UnknowState,
}

func stateOf(decisions []any, id int) primitive.LocalTransactionState {
	decision, _ := inTurn(decisions, id)
	return states[decision]
}

type transactions struct {
	producer rocketmq.TransactionProducer
	decider  *decider
}

func (c *clients) startTransactionProducer(call arguments) (any, error) {
	by := call.text("as", "")
	answers, _ := call["answers"].([]any)
	decider := &decider{by: by, journal: c.journal, answers: answers, askedMin: call.number("askedMin", 1)}
	started, err := rocketmq.NewTransactionProducer(decider,
		producer.WithNameServer([]string{call.text("nameServer", "")}),
		producer.WithGroupName(call.text("group", "")),
		producer.WithInstanceName(instanceOf(call)),
		producer.WithSendMsgTimeout(10 * time.Second),
		// A half message that was stored although nobody said so is asked about: once more would be another one.
		producer.WithRetry(0),
	)
	if err != nil {
		return nil, err
	}
	if err := started.Start(); err != nil {
		return nil, err
	}
	c.lock.Lock()
	c.transactions[by] = &transactions{started, decider}
	c.lock.Unlock()
	c.keep(by, started.Shutdown)
	return nil, nil
}

func (c *clients) sendHalf(call arguments) (any, error) {
	by := call.text("as", "")
	c.lock.Lock()
	sender := c.transactions[by]
	c.lock.Unlock()
	sender.decider.decisions, _ = call["decisions"].([]any)
	from := call.number("from", 0)
	for id := from; id < from+call.number("count", 1); id++ {
		time.Sleep(time.Duration(call.number("everyMs", 0)) * time.Millisecond)
		result, err := sender.producer.SendMessageInTransaction(context.Background(), messageOf(call, id))
		if err != nil {
			c.journal.unsent(by, id, err)
			continue
		}
		c.journal.line(map[string]any{
			"event": "half", "by": by, "id": id, "status": sendStatus[result.Status],
			"state": stateNames[result.State], "uniqueId": result.MsgID, "transactionId": result.TransactionID,
		})
	}
	return nil, nil
}

var stateNames = map[primitive.LocalTransactionState]string{
	primitive.CommitMessageState:   "COMMIT_MESSAGE",
	primitive.RollbackMessageState: "ROLLBACK_MESSAGE",
	primitive.UnknowState:          "UNKNOW",
}
