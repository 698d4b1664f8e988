// Package rights lists the privileges that lagerd's account needs on its database.
// `lagerd check --grants` prints them, and the tests run with an account that has these
// and no others.
package rights

// Running are the privileges with which a lagerd runs on a schema of its version: it
// reads and writes its tables, and checks what its views show.
const Running = "SELECT, INSERT, UPDATE, DELETE, SHOW VIEW"

// Migrating are the privileges that creating and changing tables and views takes in
// addition.
const Migrating = "CREATE, ALTER, INDEX, DROP, CREATE VIEW"
