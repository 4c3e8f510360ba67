// The bridge as one writes it with Node's own http and pg, around the same SQL function.
// A contender of the benchmark. The number of connections is the best that was found.

import http from 'node:http';
import pg from 'pg';

const pool = new pg.Pool({ max: Number(process.env.BENCH_POOL ?? 8), idleTimeoutMillis: 0 });
const route = /^\/api\/admin\/service-account\/([^/?]+)\/token$/;
const headers = {
	'Content-Type': 'application/json; charset=utf-8',
	'Cache-Control': 'no-store',
	'X-Content-Type-Options': 'nosniff',
};

function reply(response, status, body) {
	response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) });
	response.end(body);
}

function refuse(response, error) {
	const status = /^PT[45]\d\d$/.test(error.code) ? Number(error.code.slice(2)) : 500;
	const name = error.detail ?? 'InternalError';
	reply(response, status, JSON.stringify({ name, message: error.message }));
}

const server = http.createServer(async (request, response) => {
	const match = route.exec(request.url);
	if (match === null) {
		reply(response, 404, '{"name":"NotFoundError"}');
		return;
	}
	try {
		const result = await pool.query({
			name: 'list',
			text: 'SELECT pat_list_for_service_account($1::text, $2)::text',
			values: [decodeURIComponent(match[1]), request.headers.authorization],
			rowMode: 'array',
		});
		reply(response, 200, result.rows[0][0]);
	} catch (error) {
		refuse(response, error);
	}
});

server.listen(0, '127.0.0.1', () => {
	console.log(`listening on 127.0.0.1:${server.address().port}`);
});
