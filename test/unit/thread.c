/*
 * Threads, mutexes and conditions.
 */
#include "base/thread.h"
#include "base/clock.h"
#include "test.h"

#include <signal.h>

static struct mutex lock = MUTEX_INIT;
static struct cond changed;
static int total, turn;
static char seen_name[16];
static sigset_t seen_mask;

static void
add(void *arg)
{
	int i;

	for (i = 0; i < 1000; i++) {
		mutex_lock(&lock);
		total += *(int *)arg;
		mutex_unlock(&lock);
	}
}

TEST(mutex_excludes)
{
	struct thread t[4];
	int one = 1;
	size_t i;

	total = 0;
	for (i = 0; i < ARRAY_LEN(t); i++)
		CHECK(thread_start(&t[i], "add", add, &one));
	for (i = 0; i < ARRAY_LEN(t); i++)
		thread_join(&t[i]);
	CHECK_EQ(total, 4000);
}

static void
wait_my_turn(void *arg)
{
	int mine = *(int *)arg;

	mutex_lock(&lock);
	while (turn != mine)
		cond_wait(&changed, &lock);
	turn = mine + 1;
	cond_broadcast(&changed);
	mutex_unlock(&lock);
}

TEST(conditions_wake)
{
	static int mine[] = {1, 2, 3};
	struct thread t[3];
	bool in_time = true;
	size_t i;

	cond_init(&changed);
	turn = 0;
	for (i = 0; i < 3; i++)
		CHECK(thread_start(&t[i], "turn", wait_my_turn, &mine[i]));
	mutex_lock(&lock);
	turn = 1;
	cond_broadcast(&changed);
	while (turn != 4 && in_time)
		in_time =
		    cond_wait_until(&changed, &lock, clock_mono_ms() + 60000);
	mutex_unlock(&lock);
	CHECK_EQ(turn, 4);
	for (i = 0; i < 3; i++)
		thread_join(&t[i]);
	cond_fini(&changed);
}

TEST(deadlines_pass)
{
	struct cond c;
	int64_t before = clock_mono_ms();
	bool woken = true;

	cond_init(&c);
	mutex_lock(&lock);
	while (woken)
		woken = cond_wait_until(&c, &lock, before + 30);
	CHECK(clock_mono_ms() >= before + 30);
	CHECK(!cond_wait_until(&c, &lock, -1));
	mutex_unlock(&lock);
	cond_fini(&c);
	clock_sleep_ms(2);
	clock_sleep_ms(-1);
	CHECK(clock_mono_us() / 1000 >= before + 32);
}

static void
look(void *arg)
{
	(void)arg;
	pthread_getname_np(pthread_self(), seen_name, sizeof(seen_name));
	pthread_sigmask(SIG_SETMASK, NULL, &seen_mask);
}

TEST(signals_and_name)
{
	struct thread t;
	sigset_t mine;

	CHECK(thread_start(&t, "a name that is too long", look, NULL));
	thread_join(&t);
	CHECK_STR(str_from(seen_name), "a name that is ");
	CHECK(sigismember(&seen_mask, SIGTERM) == 1);
	CHECK(sigismember(&seen_mask, SIGPIPE) == 1);
	CHECK(sigismember(&seen_mask, SIGSEGV) == 0);
	pthread_sigmask(SIG_SETMASK, NULL, &mine);
	CHECK(sigismember(&mine, SIGTERM) == 0);
}

static void
signal_done(void *arg)
{
	mutex_lock(&lock);
	*(bool *)arg = true;
	cond_signal(&changed);
	mutex_unlock(&lock);
}

TEST(detached)
{
	static bool done;
	struct thread t;

	cond_init(&changed);
	mutex_lock(&lock);
	CHECK(thread_start(&t, "detached", signal_done, &done));
	thread_detach(&t);
	while (!done)
		cond_wait(&changed, &lock);
	mutex_unlock(&lock);
	CHECK(done);
	CHECK(thread_cores() >= 1);
}

TEST_MAIN
