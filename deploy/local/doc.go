// Package local runs the engines that Sluice stands on where no cluster is at
// hand: Kafka and ClickHouse inside this process for `sluice dev`, and real
// Kafka brokers as child processes for integration tests.
//
//   - [StartKafka]: a Kafka in this process, its data on disk.
//   - [StartClickHouse]: ClickHouse in this process, behind its own HTTP
//     protocol on a loopback port.
//   - [StartBrokers]: one or three of Apache Kafka's own brokers.
//
// All of them listen on loopback only and know no passwords.
package local
