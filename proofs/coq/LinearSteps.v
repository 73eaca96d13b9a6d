(* Many steps of a model that is linear in its parameters, f_x(th) = A_x th + b_x, with squared error.

   Nothing is infinitesimal here: for EVERY e the student with mini-batches is at th0 + e d_s exactly, with
   u - d_{s+1} = (I - alpha_s K_s) (u - d_s), K_s = sum_x w s x A_x^T A_x.  With one batch and one step size
       th_t = th0 + e (u - B^t u),   B = I - alpha K.
   For any network that is continuously differentiable at th0 the same formula holds to first order in e, with
   K the GGN at th0. *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses OneStep StableSteps Curves ManySteps.
Open Scope R_scope.

Definition linear_model (k : nat) (A : nat -> nat -> vec) (b : nat -> vec) (x : nat) (th : vec) : vec :=
  fun i => dot k (A x i) th + b x i.

Section Linear.
Variables (k n m : nat) (A : nat -> nat -> vec) (b : nat -> vec).
Variables (w : nat -> nat -> R) (alpha : nat -> R) (th0 u : vec).
Local Notation f := (linear_model k A b).

Lemma linear_model_has_grad x i th : has_grad k (fun t => f x t i) th (A x i).
Proof.
  intros e He. exists 1. split; [exact Rlt_0_1|]. intros y _.
  replace (f x y i - f x th i - dot k (A x i) (vsub y th)) with 0.
  - rewrite Rabs_R0. apply Rmult_le_pos; [lra | apply nrm_nonneg].
  - unfold linear_model, vsub. rewrite dot_minus_r. ring.
Qed.

Lemma linear_model_jac x i th j : (j < k)%nat -> jac f th x i j = A x i j.
Proof. exact (grad_eq k _ th (A x i) (linear_model_has_grad x i th) j). Qed.

Lemma linear_model_push x i th h : push k f th x h i = dot k (A x i) h.
Proof. apply dot_ext; [intros j Hj; apply linear_model_jac; exact Hj | reflexivity]. Qed.

Lemma linear_model_diff x i th : (x < m)%nat -> (i < n)%nat -> differentiable k (fun t => f x t i) th.
Proof. intros _ _. exists (A x i). apply linear_model_has_grad. Qed.

(* The student of a linear model is at th0 + e d_s for every e and every sequence of batches. *)
Theorem linear_model_steps e s j : (j < k)%nat ->
  let K s := ggn k n m mse_hess (w s) f th0 in
  student m (mse n) w alpha f th0 u e s j = th0 j + e * direction K alpha u s j.
Proof.
  cbv zeta. revert j. induction s as [|s IH]; intros j Hj.
  - unfold direction, vsub. cbn [student remaining]. ring.
  - cbn [student]. unfold moved.
    set (th := student m (mse n) w alpha f th0 u e s) in *.
    set (r := remaining (fun s => ggn k n m mse_hess (w s) f th0) alpha u s).
    rewrite (batch_step_is k n m (mse n) mse_link mse_hess w f th0 u (mse_compatible n) th s e j
      (fun x i => linear_model_diff x i th) Hj), (IH j Hj).
    rewrite (rsum_ext m _ (fun x => e * (w s x * rsum n (fun i =>
      jac f th0 x i j * dot n (mse_hess (f x th0) i) (push k f th0 x r))))).
    + rewrite rsum_scal. unfold direction, vsub. cbn [remaining]. fold r. unfold ggn. ring.
    + intros x _. rewrite <- !rsum_scal. apply rsum_ext; intros i Hi.
      rewrite !linear_model_jac by exact Hj. unfold mse_hess, mse_link.
      rewrite dot_sym, dot_delta by exact Hi. rewrite linear_model_push.
      assert (E : f x (teacher th0 u e) i - f x th i = e * dot k (A x i) r).
      { unfold linear_model. rewrite <- dot_scal_r.
        replace (dot k (A x i) (teacher th0 u e) + b x i - (dot k (A x i) th + b x i)) with
          (dot k (A x i) (teacher th0 u e) - dot k (A x i) th) by ring.
        rewrite <- dot_minus_r. apply dot_ext; [reflexivity|]. intros l Hl.
        rewrite (IH l Hl). unfold teacher, direction, vsub. fold r. ring. }
      rewrite E. ring.
Qed.
End Linear.

(* With one batch and one step size, in closed form: th_t = th0 + e (u - B^t u), B = I - alpha K. *)
Theorem linear_model_closed_form k n m A b w alpha th0 u e t j : (j < k)%nat ->
  let f := linear_model k A b in
  let K := ggn k n m mse_hess w f th0 in
  let B z := fun i => z i - alpha * K z i in
  student m (mse n) (fun _ => w) (fun _ => alpha) f th0 u e t j = th0 j + e * (u j - Nat.iter t B u j).
Proof.
  intros Hj f K B. unfold f.
  rewrite (linear_model_steps k n m A b (fun _ => w) (fun _ => alpha) th0 u e t j Hj).
  unfold direction, vsub. rewrite remaining_power. reflexivity.
Qed.

(* Any network that is continuously differentiable at th0, full batch and constant step size:
   th_t = th0 + e (u - B^t u) + o(e). *)
Theorem full_batch_first_order k n m L a H w alpha f th0 u t j :
  compatible n L a H ->
  (exists r, 0 < r /\ forall th, nrm k (vsub th th0) < r ->
     forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th' => f x th' i) th) ->
  (forall x i j, (x < m)%nat -> (i < n)%nat -> (j < k)%nat ->
     continuous_at k (fun th => jac f th x i j) th0) ->
  (j < k)%nat ->
  let K := ggn k n m H w f th0 in
  let B z := fun i => z i - alpha * K z i in
  rderiv (fun e => student m L (fun _ => w) (fun _ => alpha) f th0 u e t j) (th0 j) (u j - Nat.iter t B u j).
Proof.
  intros HL Hd Hc Hj K B.
  pose proof (student_first_order k n m L a H (fun _ => w) (fun _ => alpha) f th0 u HL Hd Hc t j Hj) as D.
  apply rderiv_eq with (1 := D); [reflexivity|].
  unfold direction, vsub. rewrite remaining_power. reflexivity.
Qed.
