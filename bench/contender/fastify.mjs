// The bridge as one writes it with fastify and pg, around the same SQL function.
// A contender of the benchmark.

import Fastify from 'fastify';
import pg from 'pg';

const pool = new pg.Pool({ max: Number(process.env.BENCH_POOL ?? 8), idleTimeoutMillis: 0 });
const app = Fastify({ logger: false });

app.addHook('onSend', async (request, reply) => {
	reply.header('Cache-Control', 'no-store').header('X-Content-Type-Options', 'nosniff');
});

app.setErrorHandler((error, request, reply) => {
	const status = /^PT[45]\d\d$/.test(error.code) ? Number(error.code.slice(2)) : 500;
	reply.code(status).send({ name: error.detail ?? 'InternalError', message: error.message });
});

app.get('/api/admin/service-account/:id/token', async (request, reply) => {
	const result = await pool.query({
		name: 'list',
		text: 'SELECT pat_list_for_service_account($1::text, $2)::text',
		values: [request.params.id, request.headers.authorization],
		rowMode: 'array',
	});
	return reply.type('application/json; charset=utf-8').send(result.rows[0][0]);
});

await app.listen({ port: 0, host: '127.0.0.1' });
console.log(`listening on 127.0.0.1:${app.server.address().port}`);
