/*
 * lane_lists.c
 *		The lists of a lane's jobs: the queue, the order of deadlines, and who waits
 *		for the same call.
 */
#include "lane_inside.h"

static LaneQueue *
queue_of(Lane *lane, const LaneJob *job)
{
	return job->is_long ? &lane->long_queue : &lane->queue;
}

static void
change_queued(Lane *lane, LaneJob *job, bool queued)
{
	job->queued = queued;
	queue_of(lane, job)->count += queued ? 1U : -1U;
	counter_set(&lane->settings.counters->queued, lane->queue.count + lane->long_queue.count);
}

void
lane_queue_append(Lane *lane, LaneJob *job)
{
	LaneQueue *queue = queue_of(lane, job);

	job->prev = queue->tail;
	job->next = NULL;
	*(job->prev != NULL ? &job->prev->next : &queue->head) = job;
	queue->tail = job;
	change_queued(lane, job, true);
}

void
lane_queue_prepend(Lane *lane, LaneJob *job)
{
	LaneQueue *queue = queue_of(lane, job);

	job->prev = NULL;
	job->next = queue->head;
	*(job->next != NULL ? &job->next->prev : &queue->tail) = job;
	queue->head = job;
	change_queued(lane, job, true);
}

void
lane_queue_remove(Lane *lane, LaneJob *job)
{
	LaneQueue *queue = queue_of(lane, job);

	*(job->prev != NULL ? &job->prev->next : &queue->head) = job->next;
	*(job->next != NULL ? &job->next->prev : &queue->tail) = job->prev;
	change_queued(lane, job, false);
}

/* At the end, but after a shorter time-out has come into force. */
void
lane_deadline_insert(Lane *lane, LaneJob *job)
{
	LaneJob *older = lane->youngest;

	while (older != NULL && older->deadline > job->deadline)
		older = older->older;
	job->older = older;
	job->younger = older != NULL ? older->younger : lane->oldest;
	*(older != NULL ? &older->younger : &lane->oldest) = job;
	*(job->younger != NULL ? &job->younger->older : &lane->youngest) = job;
	job->active = true;
}

void
lane_deadline_remove(Lane *lane, LaneJob *job)
{
	*(job->older != NULL ? &job->older->younger : &lane->oldest) = job->younger;
	*(job->younger != NULL ? &job->younger->older : &lane->youngest) = job->older;
	job->active = false;
}

void
lane_slot_add(LaneJob **slot, LaneJob *job)
{
	job->slot = slot;
	job->prev = NULL;
	job->next = *slot;
	if (job->next != NULL)
		job->next->prev = job;
	*slot = job;
}

void
lane_slot_remove(LaneJob *job)
{
	*(job->prev != NULL ? &job->prev->next : job->slot) = job->next;
	if (job->next != NULL)
		job->next->prev = job->prev;
	job->slot = NULL;
}
