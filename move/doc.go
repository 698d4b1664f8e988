// Package move carries the embedded database over to a MySQL or MariaDB server.
//
//	Hold ─▶ check ─▶ Migrate, close ─▶ copy ─▶ verify ─▶ mark the source ─▶ open the target
//
// It owns the order of these steps, which values a server holds exactly (Fit), and how the rows
// of a table are compared (merge). What it guarantees:
//
//  1. The source is held from the check of its first row until it is marked: nobody writes to it
//     meanwhile. A value that a server would refuse or change is found before the target is touched.
//  2. At no moment may a lagerd use both databases. The target is closed until the source is marked,
//     which happens once every row of both has been compared.
//  3. It may be killed at any point. Run again it compares what is there with the source, writes
//     what differs, and goes on: also where the source has been used in between.
//  4. Rows go over as they are: what is sealed or hashed stays so, ids and fencing tokens too.
//
// It contains no SQL, opens no secret and does not know what the tables mean.
package move
