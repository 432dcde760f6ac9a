// node-postgres against the server: text results, prepared statements, binary results, transactions, errors.
'use strict';

const assert = require('node:assert');
const { Client, Pool, types } = require('pg');

const params = Object.fromEntries(process.argv[2].split(' ').map((part) => part.split('=')));
const config = { host: params.host, port: Number(params.port), user: params.user, database: params.dbname };

async function withClient(work, extra = {}) {
  const client = new Client({ ...config, ...extra });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const tests = {
  async everyType() {
    await withClient(async (client) => {
      await client.query("SET timezone = 'UTC'");
      const date = new Date('2001-02-03T04:05:06.789Z');
      const cases = [
        ['bool', true, true],
        ['int2', -5, -5],
        ['int4', 2147483647, 2147483647],
        ['int8', '9223372036854775807', '9223372036854775807'],
        ['float4', 1.5, 1.5],
        ['float8', 0.1, 0.1],
        ['numeric', '123.4500', '123.4500'],
        ['text', "héllo \u2603 'q' \\", "héllo \u2603 'q' \\"],
        ['varchar(5)', 'abc', 'abc'],
        ['char(4)', 'ab', 'ab  '],
        ['name', 'n', 'n'],
        ['bytea', Buffer.from([0, 1, 255]), Buffer.from([0, 1, 255])],
        ['time', '04:05:06.789', '04:05:06.789'],
        ['timetz', '04:05:06+02', '04:05:06+02'],
        ['timestamptz', date, date],
        ['uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
        ['json', { a: [1, null] }, { a: [1, null] }],
        ['jsonb', { a: { b: 'c' } }, { a: { b: 'c' } }],
        ['oid', 42, 42],
        ['int4[]', [1, 2, null], [1, 2, null]],
        ['int4[]', [[1, 2], [3, 4]], [[1, 2], [3, 4]]],
        ['text[]', ['a', 'b c', 'q"', '', null], ['a', 'b c', 'q"', '', null]],
        ['bool[]', [true, false], [true, false]],
        ['float8[]', [0.5], [0.5]],
        ['timestamptz[]', [date], [date]],
      ];
      for (const [type, value, expected] of cases) {
        const { rows, fields } = await client.query(`SELECT $1::${type} AS v`, [value]);
        assert.deepStrictEqual(rows[0].v, expected, type);
        assert.strictEqual(fields[0].name, 'v');
        const nulls = await client.query(`SELECT $1::${type} AS v`, [null]);
        assert.strictEqual(nulls.rows[0].v, null, type);
      }
      const interval = (await client.query("SELECT interval '1 year 2 days 03:04:05' AS v")).rows[0].v;
      assert.deepStrictEqual({ ...interval }, { years: 1, days: 2, hours: 3, minutes: 4, seconds: 5 });
      const raw = { getTypeParser: () => (text) => text };
      const text = await client.query({ text: "SELECT date '2001-02-03' AS d, timestamp '2001-02-03 04:05' AS t", types: raw });
      assert.deepStrictEqual(text.rows[0], { d: '2001-02-03', t: '2001-02-03 04:05:00' });
    });
  },

  async binaryResults() {
    await withClient(async (client) => {
      const { rows } = await client.query({
        text: 'SELECT $1::int4 AS i, $2::text AS t, $3::bool AS b, $4::float8 AS f, $5::int8 AS l, NULL::int4 AS n',
        // The driver passes binary values through UTF-8 strings, so only bytes below 128 survive it.
        values: [7, 'text', true, 2.5, '5'],
        binary: true,
      });
      assert.strictEqual(rows[0].i, 7);
      assert.strictEqual(String(rows[0].t), 'text');
      assert.strictEqual(rows[0].b, true);
      assert.strictEqual(rows[0].f, 2.5);
      assert.strictEqual(String(rows[0].l), '5');
      assert.strictEqual(rows[0].n, null);
    });
  },

  async preparedStatements() {
    await withClient(async (client) => {
      await client.query('CREATE TABLE prep (id int PRIMARY KEY, v text)');
      for (let id = 0; id < 50; id++) {
        const result = await client.query({ name: 'ins', text: 'INSERT INTO prep VALUES ($1, $2)', values: [id, `v${id}`] });
        assert.strictEqual(result.rowCount, 1);
        assert.strictEqual(result.command, 'INSERT');
      }
      const sel = (id) => client.query({ name: 'sel', text: 'SELECT v FROM prep WHERE id = $1', values: [id], rowMode: 'array' });
      assert.deepStrictEqual((await sel(7)).rows, [['v7']]);
      assert.deepStrictEqual((await sel(700)).rows, []);
      const many = await client.query('SELECT id FROM prep WHERE id = ANY($1) ORDER BY id', [[1, 2, 99]]);
      assert.deepStrictEqual(many.rows, [{ id: 1 }, { id: 2 }]);
    });
  },

  async queuedQueries() {
    await withClient(async (client) => {
      const answers = await Promise.all([...Array(50).keys()].map((n) => client.query('SELECT $1::int AS n', [n])));
      assert.deepStrictEqual(answers.map((a) => a.rows[0].n), [...Array(50).keys()]);
      const multi = await client.query('SELECT 1 AS a; SELECT 2 AS b; CREATE TEMP TABLE x (i int)');
      assert.deepStrictEqual(multi.map((r) => r.rows), [[{ a: 1 }], [{ b: 2 }], []]);
    });
  },

  async transactions() {
    await withClient(async (client) => {
      await client.query('CREATE TABLE tr (a int PRIMARY KEY)');
      await client.query('BEGIN');
      await client.query('INSERT INTO tr VALUES (1)');
      await client.query('SAVEPOINT s');
      await assert.rejects(client.query('INSERT INTO tr VALUES (1)'), { code: '23505', constraint: 'tr_pkey', table: 'tr' });
      await assert.rejects(client.query('SELECT 1'), { code: '25P02' });
      await client.query('ROLLBACK TO s');
      await client.query('INSERT INTO tr VALUES (2)');
      await client.query('COMMIT');
      assert.strictEqual((await client.query('SELECT count(*)::int AS n FROM tr')).rows[0].n, 2);
      await client.query('BEGIN');
      await client.query('DELETE FROM tr');
      await client.query('ROLLBACK');
      assert.strictEqual((await client.query('SELECT count(*)::int AS n FROM tr')).rows[0].n, 2);
    });
  },

  async errors() {
    await withClient(async (client) => {
      for (const [sql, code] of [
        ['SELEC 1', '42601'],
        ['SELECT nosuch', '42703'],
        ['SELECT * FROM nosuch', '42P01'],
        ['SELECT 1 / 0', '22012'],
      ]) {
        await assert.rejects(client.query(sql), (e) => e.code === code && e.severity === 'ERROR', sql);
      }
      await assert.rejects(client.query('SELECT 1, nosuch'), { position: '11' });
      await assert.rejects(client.query('SELECT $1::int', ['x']), { code: '22P02' });
      const notice = new Promise((resolve) => client.once('notice', resolve));
      await client.query('DROP TABLE IF EXISTS nosuch');
      assert.strictEqual((await notice).message, 'table "nosuch" does not exist, skipping');
      await client.query("SET statement_timeout = '50ms'");
      await assert.rejects(client.query('SELECT pg_sleep(60)'), { code: '57014' });
    });
    await assert.rejects(withClient(async () => {}, { database: 'nosuch' }), { code: '3D000' });
  },

  async pool() {
    const pool = new Pool({ ...config, max: 5 });
    await pool.query('CREATE TABLE counter (n int)');
    await pool.query('INSERT INTO counter VALUES (0)');
    await Promise.all([...Array(100)].map(() => pool.query('UPDATE counter SET n = n + 1')));
    assert.strictEqual((await pool.query('SELECT n FROM counter')).rows[0].n, 100);
    await pool.end();
  },
};

async function main() {
  types.setTypeParser(20, (text) => text);
  let failed = 0;
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
      console.log(`${name}: ok`);
    } catch (e) {
      failed += 1;
      console.log(`${name}: ${e.stack}`);
    }
  }
  console.log(`${Object.keys(tests).length - failed} passed, ${failed} failed`);
  process.exit(failed > 0 ? 1 : 0);
}

main();
