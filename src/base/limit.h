/*
 * Every cap in the program, with its reason. Buffers, arenas and counts are
 * born with one of these.
 */
#ifndef BASE_LIMIT_H
#define BASE_LIMIT_H

#define KIB (1024UL)
#define MIB (1024UL * KIB)
#define GIB (1024UL * MIB)

/* PS3.8 9.3.1 allows 4 GiB; what we announce (Maximum Length Received). It is
 * streamed, so a large one costs no memory; larger gains nothing. */
#define LIMIT_PDU_IN (1 * MIB)
/* Longest P-DATA-TF taken from peers that ignore what we announced: it streams
 * through, so it costs nothing, but an absurd length shows a lost step. */
#define LIMIT_PDU_DATA (4 * MIB)
/* PDUs or PDVs in a row that bring nothing: a flood, not a message. */
#define LIMIT_BARREN 100
/* User sub-items of a kind (roles, extended negotiation): one a context and
 * some to spare. */
#define LIMIT_USER_ITEMS 256
/* We send at most this much even if the peer takes more. */
#define LIMIT_PDU_OUT (1 * MIB)
/* Smallest maximum length a peer may announce and still be served (0 means
 * no limit): six bytes are the PDV header itself. */
#define LIMIT_PDU_OUT_MIN 128
/* 128 contexts with 60 transfer syntaxes each stay under this. */
#define LIMIT_ASSOCIATE_PDU (256 * KIB)
/* Odd ids 1..255: PS3.8 9.3.2.2. */
#define LIMIT_CONTEXTS          128
#define LIMIT_TRANSFER_SYNTAXES 64
/* A command set is a few hundred bytes; error comments and AT lists included.
 */
#define LIMIT_COMMAND_SET (64 * KIB)
/* C-FIND, C-GET and C-MOVE identifiers with long UID lists. */
#define LIMIT_IDENTIFIER (4 * MIB)
/* The data set of a message that brings no object, read or dropped: above it
 * it has no end, and its reader would have none. */
#define LIMIT_DATA_SMALL (32 * MIB)
/* HL7: one message (embedded PDF reports among them), its parts. */
#define LIMIT_HL7_FRAME (32 * MIB)
/* A report's PDF: what fits a frame as Base64. */
#define LIMIT_REPORT          (24 * MIB)
#define LIMIT_HL7_SEGMENTS    10000
#define LIMIT_HL7_FIELDS      1000
#define LIMIT_HL7_REPETITIONS 1000
/* Of a worklist item: six times what the longest text (LT) may have; and all
 * values of one message, in which a thousand steps share a patient. */
#define LIMIT_HL7_VALUE  (64 * KIB)
#define LIMIT_HL7_VALUES (16 * MIB)
/* Messages, and bytes of them, that take effect in one commit: enough that its
 * flush costs little a message, little enough that the first is answered soon.
 */
#define LIMIT_HL7_BATCH       256
#define LIMIT_HL7_BATCH_BYTES (1 * MIB)
/* Memory of a batch while it is read: the largest message decoded, its parts,
 * its values, the answers. */
#define LIMIT_HL7_EXCHANGE (4 * LIMIT_HL7_FRAME)
/* Unfinished frames of all connections together; above it large ones are
 * turned away. */
#define LIMIT_HL7_HELD (256 * MIB)
/* Studies in one answer to a token query: a patient has some dozens; behind
 * more are different people under one ID ("UNKNOWN"). */
#define LIMIT_TOKENS 5000
/* Instances in one storage commitment: what fits LIMIT_IDENTIFIER with UIDs of
 * usual length; devices ask for a study, some for a day. */
#define LIMIT_REFERENCES 30000
/* Storage commitments of one peer that wait to be told: a device that never
 * takes its answers does not fill the disk. */
#define LIMIT_COMMITMENTS 1000
/* Keys of an identifier, those of its sequences too: real ones have some
 * dozens, and each costs something in every answer. */
#define LIMIT_QUERY_KEYS 4096
/* Alternatives of one key that is no list of UIDs: each is compared with each
 * value of the attribute. */
#define LIMIT_KEY_VALUES 256
/* Everything kept in memory while one message is served. */
#define LIMIT_EXCHANGE    (16 * MIB)
#define LIMIT_ASSOC_ARENA (512 * KIB)
/* Nested sequences: real objects stay under 10 (PS3.5 sets no bound). */
#define LIMIT_SQ_DEPTH 64
/* Elements in one data set, all levels: multi-frame functional groups of
 * 30,000 frames need about 900,000. */
#define LIMIT_ELEMENTS 4000000
/* The value of one element kept for indexing. */
#define LIMIT_INDEX_VALUE (16 * KIB)
/* A data set read whole (headers for queries and dumps), without big values. */
#define LIMIT_HEADER (64 * MIB)
/* Values above this are skipped when a header is read whole. */
#define LIMIT_HEADER_VALUE (64 * KIB)
/* One object; above it nothing real exists, and offsets stay in 63 bits. */
#define LIMIT_OBJECT (64 * GIB)
/* Inflated size of a deflated data set, and the ratio above which it is
 * called a bomb once 64 MiB have come out (PS3.5 A.5). */
#define LIMIT_INFLATED      (1 * GIB)
#define LIMIT_INFLATE_RATIO 200
#define LIMIT_INFLATE_FREE  (64 * MIB)
/* Part 10 file meta information (PS3.10 7.1). */
#define LIMIT_META (64 * KIB)
/* A log line and a comment in an answer. */
#define LIMIT_LOG_LINE (4 * KIB)
/* One message of a TLS handshake: a chain of long certificates is 10 KiB. */
#define LIMIT_TLS_HANDSHAKE (64 * KIB)
/* A file of certificates or a key: a bundle of every public authority is
 * 250 KiB. */
#define LIMIT_PEM (1 * MIB)
/* Zip imports: entries, total inflated bytes, nesting of zips. */
#define LIMIT_ZIP_ENTRIES 1000000
#define LIMIT_ZIP_BYTES   (256 * GIB)
/* Images of one zip that is sent, and what is remembered of them. */
#define LIMIT_PACK       200000
#define LIMIT_PACK_ARENA (160 * MIB)
/* What is put aside in memory before it goes to a file. */
#define LIMIT_SPOOL_MEMORY (1 * MIB)
/* One record of a DICOMDIR: a presentation state of 10,000 images. */
#define LIMIT_DIRECTORY_RECORD (4 * MIB)
/* Files in one request to the portal: a study of many thin slices. */
#define LIMIT_UPLOAD_PARTS 100000
/* Files of a request that its answer names, of the good and of the bad; the
 * others are counted. */
#define LIMIT_UPLOAD_LISTED 1000
/* HL7 text of one file that is sent to the portal: one message of the largest
 * kind, or the orders of a year. */
#define LIMIT_UPLOAD_HL7 LIMIT_HL7_FRAME
/* Rows fetched at once while a query is answered; no cursor stays open. */
#define LIMIT_ROWS 500

/* HTTP: the head of a request must fit (cookies of other programs on the same
 * name among them), and it is what a connection costs. */
#define LIMIT_HTTP_HEAD (32 * KIB)
/* A body of JSON that is gathered before it is looked at. */
#define LIMIT_HTTP_JSON (256 * KIB)
/* An answer that is put together in memory: a page of a list. */
#define LIMIT_HTTP_ANSWER (8 * MIB)
/* HTTP connections; the process keeps descriptors for everything else. A
 * browser holds six, and thousands may lie idle. */
#define LIMIT_HTTP_CONNECTIONS 6000
/* Of these one address, which may be that of a whole house behind a router. */
#define LIMIT_HTTP_PER_ADDRESS 1500
/* Threads that work for HTTP: on lists and streams, on bodies that come (a slow
 * client holds one of these), on passwords (64 MiB of memory each). */
#define LIMIT_WORKERS_HTTP     32
#define LIMIT_WORKERS_UPLOAD   64
#define LIMIT_WORKERS_PASSWORD 2
/* Logins that may wait for those before more are told to come again. */
#define LIMIT_PASSWORD_QUEUE 64
/* What a stream holds in memory for one client. */
#define BLOCK_HTTP (128 * KIB)
/* The whole head of a request, and a connection without one. */
#define WAIT_HTTP_HEAD_MS 20000
#define WAIT_HTTP_IDLE_MS 75000
/* After this time of a body or an answer LIMIT_RATE_BYTES_S counts, of the
 * whole; and within each such stretch of it, so that who was fast at first does
 * not rest on it for hours. */
#define WAIT_HTTP_GRACE_MS 10000
#define WAIT_HTTP_STALL_MS 30000

/* Block in which data move from socket to disk. */
#define BLOCK_IO (256 * KIB)
/* Start write-back each time this much of an object has been written: the disk
 * is to work while the rest of a CT image is on its way, too. */
#define BLOCK_WRITEBACK (256 * KIB)

/* Deadlines, in milliseconds. ARTIM (PS3.8 9.1.5) and a whole A-ASSOCIATE-RQ.
 */
#define WAIT_ARTIM_MS 10000
/* No byte at all inside a message; the setting dicom.timeout_s replaces it. */
#define WAIT_PROGRESS_MS 30000
/* After WAIT_RATE_GRACE_MS of one message a peer must have kept up this rate.
 */
#define WAIT_RATE_GRACE_MS 20000
#define LIMIT_RATE_BYTES_S 1024
/* A C-MOVE need not show progress (PS3.4 C.4.2.1.6): our verb waits this long
 * for its next answer. */
#define WAIT_RETRIEVE_MS (10 * 60 * 1000)
/* An association between messages. */
#define WAIT_IDLE_MS (30 * 60 * 1000)
/* A connection to the HL7 port between messages: a HIS that has no orders at
 * night finds it open in the morning. */
#define WAIT_HL7_IDLE_MS (24 * 60 * 60 * 1000)
/* An HL7 frame that has begun must go on. */
#define WAIT_HL7_FRAME_MS 30000
/* A worker keeps a connection this long for its next message if nobody waits.
 */
#define WAIT_LINGER_MS 5
/* Who waits for one peer on behalf of another asks this often whether the
 * other still wants it. */
#define WAIT_WATCH_MS 200
/* Look-ups of host names that hang in the name service, a thread each. */
#define LIMIT_LOOKUPS 64

/* Worker threads of the DICOM pool: a stalled peer holds one for at most
 * WAIT_PROGRESS_MS; 256 stacks touch about 8 MiB. */
#define LIMIT_WORKERS_DICOM 256
/* C-MOVEs that run at once. Each holds a thread while its destination is
 * connected to, however dead that is; of one destination only
 * dicom.max_outgoing run. */
#define LIMIT_WORKERS_MOVE 128
/* The HL7 port: reading waits for nobody; a worker is held by a flush, or by a
 * peer that does not take its answers. */
#define LIMIT_WORKERS_HL7 64
/* Identifiers of C-MOVEs that wait for their turn, of all together: most have
 * 200 bytes, and what waits must not fill the memory. */
#define LIMIT_IDENTIFIERS_HELD (64 * MIB)
/* Running exchanges per address that is neither loopback nor a known node. */
#define LIMIT_RUNNING_PER_ADDRESS 16
/* Open connections; more are closed at once. The process keeps descriptors for
 * files and the database beside them. */
#define LIMIT_CONNECTIONS 15000

#endif
